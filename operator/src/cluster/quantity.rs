//! Kubernetes' quantities, as far as they must be compared: `100m`, `1.5Gi`, `2e3`.

/// So many thousandths, rounded up; none for a text that is no quantity or beyond all measure.
pub(super) fn milli(text: &str) -> Option<i128> {
    let unit_at = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = format!("{whole}{fraction}");
    if digits.is_empty() || digits.len() > 24 || !digits.bytes().all(|c| c.is_ascii_digit()) {
        return None;
    }
    let (times, by) = factor(unit)?;
    let divisor = by.checked_mul(10_i128.checked_pow(u32::try_from(fraction.len()).ok()?)?)?;
    let product = digits.parse::<i128>().ok()?.checked_mul(times)?;
    Some(product / divisor + i128::from(product % divisor > 0))
}

/// A unit in thousandths, as multiplier and divisor.
fn factor(unit: &str) -> Option<(i128, i128)> {
    let binary = |power| 1_000 * 1_024_i128.pow(power);
    let decimal = |power| 10_i128.checked_pow(power);
    let whole = match unit {
        "n" => return Some((1, 1_000_000)),
        "u" => return Some((1, 1_000)),
        "m" => 1,
        "" => 1_000,
        "k" => decimal(6)?,
        "M" => decimal(9)?,
        "G" => decimal(12)?,
        "T" => decimal(15)?,
        "P" => decimal(18)?,
        "E" => decimal(21)?,
        "Ki" => binary(1),
        "Mi" => binary(2),
        "Gi" => binary(3),
        "Ti" => binary(4),
        "Pi" => binary(5),
        "Ei" => binary(6),
        exponent => return scientific(exponent),
    };
    Some((whole, 1))
}

fn scientific(unit: &str) -> Option<(i128, i128)> {
    let exponent: i32 = unit.strip_prefix(['e', 'E'])?.parse().ok()?;
    match u32::try_from(exponent) {
        Ok(up) => Some((10_i128.checked_pow(up.checked_add(3)?)?, 1)),
        Err(_) => Some((1_000, 10_i128.checked_pow(exponent.unsigned_abs())?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read_as_kubernetes_reads_them() {
        for (text, expected) in [
            ("0", 0),
            ("100m", 100),
            ("1", 1_000),
            ("0.5", 500),
            (".5", 500),
            ("1.", 1_000),
            ("1.5Gi", 1_610_612_736_000),
            ("187Mi", 196_083_712_000),
            ("1k", 1_000_000),
            ("2e3", 2_000_000),
            ("2E3", 2_000_000),
            ("25e-1", 2_500),
            ("1E", 1_000_000_000_000_000_000_000),
            ("1n", 1),
            ("1500u", 2),
            ("0.0001", 1),
        ] {
            assert_eq!(milli(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn other_texts_are_none() {
        let endless = "9".repeat(40);
        for text in ["", "m", "1x", "1 Gi", "-1", "1.2.3", "1e99", "1e-99", "1e", "ä", "1KiB", &endless] {
            assert_eq!(milli(text), None, "{text}");
        }
    }
}
