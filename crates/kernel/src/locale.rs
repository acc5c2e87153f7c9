//! The two languages of the product.

crate::words! {
    /// A reader's language.
    pub enum Locale {
        /// Simplified Chinese.
        ZhCn = "zh-CN",
        /// English.
        En = "en",
    }
}

impl Locale {
    /// The best of our languages for an `Accept-Language` header (RFC 9110 §12.5.4); English when it names neither.
    #[must_use]
    pub fn negotiate(accept_language: &str) -> Self {
        let mut best = (0u32, Self::En);
        for part in accept_language.split(',').take(20) {
            let mut pieces = part.split(';');
            let tag = pieces.next().unwrap_or("").trim().to_ascii_lowercase();
            let weight = pieces.find_map(|p| p.trim().strip_prefix("q=")).map_or(1000, thousandths);
            let locale = match tag.split('-').next() {
                Some("zh") => Self::ZhCn,
                Some("en" | "*") => Self::En,
                _ => continue,
            };
            if weight > best.0 {
                best = (weight, locale);
            }
        }
        best.1
    }
}

/// A weight such as `0.8` in thousandths; 0 for what is not a weight.
fn thousandths(text: &str) -> u32 {
    let (whole, fraction) = text.trim().split_once('.').unwrap_or((text.trim(), ""));
    let padded = format!("{fraction:0<3}");
    match (whole.parse::<u32>(), padded.get(..3).and_then(|f| f.parse::<u32>().ok())) {
        (Ok(w @ 0..=1), Some(f)) => w * 1000 + f,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::Locale;

    #[test]
    fn the_header_decides_and_nonsense_is_english() {
        for (header, expected) in [
            ("zh-CN,zh;q=0.9,en;q=0.8", Locale::ZhCn),
            ("en-US,en;q=0.9,zh;q=0.8", Locale::En),
            ("fr, zh;q=0.3, en;q=0.2", Locale::ZhCn),
            ("zh;q=0, en;q=0.1", Locale::En),
            ("", Locale::En),
            ("!!;q=x", Locale::En),
        ] {
            assert_eq!(Locale::negotiate(header), expected, "{header}");
        }
    }
}
