//! Which namespaces may name a cluster.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// Which namespaces' objects may name this cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", default = "AllowedNamespaces::default")]
#[x_kube(
    validation = Rule::new("(self.from == 'Selector') == has(self.selector)")
        .message("selector is needed with from Selector, and only then")
)]
pub struct AllowedNamespaces {
    /// Same: the cluster's own namespace. All: every namespace. Selector: those whose labels
    /// selector matches, and the cluster's own.
    pub from: NamespacesFrom,
    /// Selects namespaces by their labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selector: Option<LabelSelector>,
}

impl AllowedNamespaces {
    /// Whether objects of the namespace `other`, which has the given labels, may name a cluster in
    /// the namespace `own`. A cluster's own namespace is always allowed.
    pub fn allow(&self, own: &str, other: &str, labels: Option<&BTreeMap<String, String>>) -> bool {
        if own == other {
            return true;
        }
        match self.from {
            NamespacesFrom::Same => false,
            NamespacesFrom::All => true,
            NamespacesFrom::Selector => {
                // A namespace whose labels nobody knows is not let in on a guess.
                self.selector.as_ref().zip(labels).is_some_and(|(selector, labels)| selector.matches(labels))
            }
        }
    }
}

/// How namespaces are chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum NamespacesFrom {
    /// The cluster's own namespace.
    #[default]
    Same,
    /// Every namespace.
    All,
    /// Those whose labels a selector matches.
    Selector,
}

/// Selects by labels; all parts must hold. An empty selector selects everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct LabelSelector {
    /// Labels that must have exactly these values.
    #[schemars(schema_with = "labels_schema")]
    pub match_labels: BTreeMap<String, String>,
    /// Further requirements on labels.
    #[schemars(length(max = 16))]
    pub match_expressions: Vec<Requirement>,
}

impl LabelSelector {
    /// Whether these labels fulfil every requirement.
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.match_labels.iter().all(|(key, value)| labels.get(key) == Some(value))
            && self.match_expressions.iter().all(|requirement| requirement.holds(labels))
    }
}

/// A requirement on one label.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("(self.operator in ['In', 'NotIn']) == (size(self.values) > 0)")
        .message("values are needed with the operators In and NotIn, and only then")
)]
pub struct Requirement {
    /// Key of the label.
    #[schemars(length(min = 1, max = 317))]
    pub key: String,
    /// In: the label's value is one of values. NotIn: it is none of them, or the label is missing.
    /// Exists: the label is there. DoesNotExist: it is not.
    pub operator: SelectorOperator,
    /// Values for In and NotIn.
    #[serde(default)]
    #[schemars(length(max = 16), inner(length(max = 63)))]
    pub values: Vec<String>,
}

impl Requirement {
    fn holds(&self, labels: &BTreeMap<String, String>) -> bool {
        let value = labels.get(&self.key);
        let listed = value.is_some_and(|value| self.values.contains(value));
        match self.operator {
            SelectorOperator::In => listed,
            SelectorOperator::NotIn => !listed,
            SelectorOperator::Exists => value.is_some(),
            SelectorOperator::DoesNotExist => value.is_none(),
        }
    }
}

/// How a requirement looks at its label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SelectorOperator {
    /// The value is one of the list.
    In,
    /// The value is none of the list, or there is no such label.
    NotIn,
    /// There is such a label.
    Exists,
    /// There is no such label.
    DoesNotExist,
}

fn labels_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": 16,
        "additionalProperties": {"type": "string", "maxLength": 63},
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn the_own_namespace_is_always_allowed() {
        assert!(AllowedNamespaces::default().allow("edge", "edge", None));
        assert!(!AllowedNamespaces::default().allow("edge", "shop", None));
        let all = AllowedNamespaces { from: NamespacesFrom::All, selector: None };
        assert!(all.allow("edge", "shop", None));
    }

    #[test]
    fn a_selector_needs_known_labels() {
        let selector =
            LabelSelector { match_labels: labels(&[("team", "a")]), match_expressions: Vec::new() };
        let allowed = AllowedNamespaces { from: NamespacesFrom::Selector, selector: Some(selector) };
        assert!(allowed.allow("edge", "shop", Some(&labels(&[("team", "a"), ("x", "y")]))));
        assert!(!allowed.allow("edge", "shop", Some(&labels(&[("team", "b")]))));
        assert!(!allowed.allow("edge", "shop", None));
    }

    #[test]
    fn expressions_hold_as_in_kubernetes() {
        let here = labels(&[("tier", "gold")]);
        for (key, operator, values, expected) in [
            ("tier", SelectorOperator::In, vec!["gold"], true),
            ("tier", SelectorOperator::In, vec!["iron"], false),
            ("rank", SelectorOperator::In, vec!["gold"], false),
            ("tier", SelectorOperator::NotIn, vec!["gold"], false),
            ("rank", SelectorOperator::NotIn, vec!["gold"], true),
            ("tier", SelectorOperator::Exists, vec![], true),
            ("rank", SelectorOperator::DoesNotExist, vec![], true),
        ] {
            let values = values.into_iter().map(str::to_owned).collect();
            let requirement = Requirement { key: key.to_owned(), operator, values };
            assert_eq!(requirement.holds(&here), expected, "{requirement:?}");
        }
    }
}
