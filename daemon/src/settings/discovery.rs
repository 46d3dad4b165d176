//! How nodes find each other, and where the operator's document and secrets are.

use std::{net::IpAddr, path::PathBuf};

use super::{
    Reader,
    peers::{Peer, parse_peers},
    problem::Problem,
    value::Address,
};

const TYPE: &str = "GUBER_PEER_DISCOVERY_TYPE";
const IP: &str = "GUBER_K8S_POD_IP";
const PORT: &str = "GUBER_K8S_POD_PORT";
const SERVICE: &str = "GUBER_K8S_SERVICE_NAME";
const SELECTOR: &str = "GUBER_K8S_SELECTOR";
const OLD_SELECTOR: &str = "GUBER_K8S_ENDPOINTS_SELECTOR";
const DOCUMENT: &str = "WICKETGATE_DOCUMENT";
const FOLDER: &str = "WICKETGATE_DOCUMENT_DIR";
const CREDENTIALS: &str = "WICKETGATE_CREDENTIALS";

/// The longest name that Kubernetes gives a ConfigMap, less the `-15` of the last part.
const LONGEST_NAME: usize = 253 - 3;

/// How nodes find each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Discovery {
    /// A cluster of one.
    None,
    /// These nodes, this one among them.
    Static(Vec<Peer>),
    /// The pods that the Kubernetes API tells of.
    Kubernetes(Kubernetes),
}

/// Which pods are nodes of the ring, and which of them this one is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kubernetes {
    /// Where they are.
    pub namespace: String,
    /// What tells of them.
    pub find: Find,
    /// This pod's address.
    pub pod_ip: IpAddr,
    /// The port at which each serves PeersV1.
    pub pod_port: u16,
}

/// What tells which pods there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Find {
    /// The EndpointSlices of this Service.
    Slices(String),
    /// The pods with these labels.
    Pods(String),
}

impl Kubernetes {
    /// This node's name on the ring.
    #[must_use]
    pub fn own(&self) -> Address {
        Address::new(&self.pod_ip.to_string(), self.pod_port)
    }
}

/// Where the operator's document is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentSource {
    /// The namespace of its ConfigMaps.
    pub namespace: String,
    /// What their names begin with: `main-document` for `main-document-0` and so on.
    pub name: String,
    /// Where they are mounted, if they are.
    pub folder: Option<PathBuf>,
}

/// The Secret in which the operator keeps the secrets that policies name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialsSource {
    /// Its namespace.
    pub namespace: String,
    /// Its name, such as `main-credentials`.
    pub name: String,
}

/// Where this node listens, so far as peers are concerned.
pub(super) struct Listens<'a> {
    pub(super) grpc: Option<&'a Address>,
    pub(super) peers: Option<&'a Address>,
    pub(super) shared: bool,
}

pub(super) fn read(reader: &mut Reader, listens: &Listens<'_>) -> Discovery {
    let peers = reader.written("WICKETGATE_PEERS");
    let parsed = reader.parse("WICKETGATE_PEERS", parse_peers).unwrap_or_default();
    let kubernetes = Told::read(reader);
    let chosen = reader.written(TYPE);
    let word = chosen.as_ref().map(|written| written.text.to_ascii_lowercase());
    if peers.is_some() && matches!(word.as_deref(), Some("none" | "k8s")) {
        together(
            reader,
            format!(
                "WICKETGATE_PEERS names peers, but {TYPE} is {}; set it to static or leave out one of the two",
                word.as_deref().unwrap_or_default()
            ),
        );
    }
    if word.as_deref() != Some("k8s") {
        kubernetes.warn_of_no_effect(reader);
    }
    match word.as_deref() {
        Some("k8s") => kubernetes.checked(reader, listens),
        None if peers.is_none() => Discovery::None,
        None => Discovery::Static(parsed),
        Some("none") => Discovery::None,
        Some("static") => {
            if peers.is_none() {
                let text = format!(
                    "{TYPE} is static, but WICKETGATE_PEERS names no peer; name every node of the ring in it, this \
                     one included"
                );
                together(reader, text);
            }
            Discovery::Static(parsed)
        }
        Some(other) => {
            let why = match other {
                "member-list" | "etcd" | "dns" => {
                    "is not available in this version (name the nodes in WICKETGATE_PEERS instead)"
                }
                _ => "is none of the known words",
            };
            if let Some(written) = &chosen {
                reader.refuse(TYPE, written, why.to_owned());
            }
            Discovery::None
        }
    }
}

/// What the `GUBER_K8S_*` variables say, each by itself.
struct Told {
    namespace: String,
    ip: Option<IpAddr>,
    port: Option<u16>,
    service: Option<String>,
    selector: Option<String>,
    by_pods: bool,
}

impl Told {
    fn read(reader: &mut Reader) -> Self {
        let newer = reader.text(SELECTOR);
        let older = reader.text(OLD_SELECTOR);
        Self {
            namespace: namespace(reader),
            ip: reader.parse(IP, |text| text.parse().map_err(|_| "is no IP address".to_owned())),
            port: reader.count(PORT).and_then(|port| u16::try_from(port).ok()),
            service: reader.text(SERVICE),
            selector: newer.or(older),
            by_pods: reader
                .word("GUBER_K8S_WATCH_MECHANISM", |word| Some(word == "pods"))
                .unwrap_or_default(),
        }
    }

    /// The namespace is not among them: it is where the document is, too.
    fn warn_of_no_effect(&self, reader: &mut Reader) {
        let told = [
            (IP, self.ip.is_some()),
            (PORT, self.port.is_some()),
            (SERVICE, self.service.is_some()),
            (SELECTOR, self.selector.is_some()),
        ];
        let names: Vec<_> = told.into_iter().filter_map(|(name, told)| told.then_some(name)).collect();
        if !names.is_empty() {
            reader.warn(format!("{} has no effect without {TYPE}=k8s", names.join(", ")));
        }
    }

    /// What `k8s` needs, as Gubernator asks for it; every lack is a problem of its own.
    fn checked(self, reader: &mut Reader, listens: &Listens<'_>) -> Discovery {
        let before = reader.problems.len();
        for (name, way_out) in
            [(IP, "take it from status.podIP"), (PORT, "give the port at which pods serve each other")]
        {
            if reader.written(name).is_none() {
                together(reader, format!("{TYPE} is k8s, but {name} is not set; {way_out}"));
            }
        }
        let find = match (self.by_pods, self.service, self.selector) {
            (false, Some(service), _) => Some(Find::Slices(service)),
            (true, _, Some(selector)) => Some(Find::Pods(selector)),
            (by_pods, ..) => {
                let (mechanism, lacks) =
                    if by_pods { ("pods", SELECTOR) } else { ("endpointslices", SERVICE) };
                together(
                    reader,
                    format!(
                        "{TYPE} is k8s with GUBER_K8S_WATCH_MECHANISM {mechanism}, but {lacks} is not set"
                    ),
                );
                None
            }
        };
        if let (Some(ip), Some(port)) = (self.ip, self.port) {
            check_port(reader, ip, port, listens);
        }
        match (self.ip, self.port, find) {
            (Some(pod_ip), Some(pod_port), Some(find)) if reader.problems.len() == before => {
                Discovery::Kubernetes(Kubernetes { namespace: self.namespace, find, pod_ip, pod_port })
            }
            _ => Discovery::None,
        }
    }
}

/// Checks that this pod serves the others where they dial it.
fn check_port(reader: &mut Reader, ip: IpAddr, port: u16, listens: &Listens<'_>) {
    let is_here = |address: &&Address| address.port() == port;
    if let Some(peers) = listens.peers.filter(is_here) {
        if !ip.is_loopback() && is_local(peers.host()) {
            together(
                reader,
                format!(
                    "WICKETGATE_PEER_ADDRESS is {peers}, where no other pod reaches this one ({ip}); set it to :{port}"
                ),
            );
        }
    } else if listens.grpc.is_some_and(|grpc| is_here(&grpc)) {
        if !listens.shared {
            together(
                reader,
                format!(
                    "{PORT} is {port}, the port of GUBER_GRPC_ADDRESS, where peers are not served; set {PORT} to the \
                     port of WICKETGATE_PEER_ADDRESS, or WICKETGATE_SHARE_PEER_PORT to true"
                ),
            );
        }
    } else if let Some(peers) = listens.peers {
        together(
            reader,
            format!(
                "{PORT} is {port}, but this node serves peers at WICKETGATE_PEER_ADDRESS ({peers}); give both the \
                 same port"
            ),
        );
    }
}

fn is_local(host: &str) -> bool {
    host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

/// Where the operator's document is; `None` where none is named.
pub(super) fn read_document(reader: &mut Reader) -> Option<DocumentSource> {
    let name = reader.parse(DOCUMENT, |text| object_name(text, "ConfigMap"));
    let folder = reader.parse(FOLDER, |text| Ok(PathBuf::from(text)));
    if reader.written(FOLDER).is_some() && reader.written(DOCUMENT).is_none() {
        together(
            reader,
            format!(
                "{FOLDER} says where the document is mounted, but {DOCUMENT} names none; set both or neither"
            ),
        );
    }
    if name.is_some() && reader.written("WICKETGATE_LIMITS").is_some() {
        together(
            reader,
            format!("{DOCUMENT} and WICKETGATE_LIMITS both declare limits; leave out one of the two"),
        );
    }
    Some(DocumentSource { namespace: namespace(reader), name: name?, folder })
}

/// Where the secrets of policies are; `None` where none is named.
pub(super) fn read_credentials(reader: &mut Reader) -> Option<CredentialsSource> {
    let name = reader.parse(CREDENTIALS, |text| object_name(text, "Secret"));
    Some(CredentialsSource { namespace: namespace(reader), name: name? })
}

fn object_name(text: &str, kind: &str) -> Result<String, String> {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte);
    if text.len() > LONGEST_NAME || !text.bytes().all(fits) {
        return Err(format!("is no name of a {kind}"));
    }
    Ok(text.to_owned())
}

fn namespace(reader: &mut Reader) -> String {
    reader.text("GUBER_K8S_NAMESPACE").unwrap_or_default()
}

fn together(reader: &mut Reader, text: String) {
    reader.problems.push(Problem::Together(text));
}
