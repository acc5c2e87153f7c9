//! The words of mails: plain text in the reader's language, with links to where the marketplace is.

use kernel::Zone;
use market::mail::{Addressee, Letter, Matter, Wording};
use market::notices::Notice;
use url::Url;

use super::account::told_and_target;
use super::shell::Words;
use crate::texts;

/// Finds the words for the mails of a market.
#[derive(Clone, Debug)]
pub struct Letters {
    address: Url,
    zone: Zone,
}

impl Letters {
    /// Words with links to `address`, where people find the marketplace, and times of `zone`.
    #[must_use]
    pub const fn new(address: Url, zone: Zone) -> Self {
        Self { address, zone }
    }

    fn link(&self, path: &str) -> String {
        self.address.join(path).map_or_else(|_| path.to_owned(), |url| url.to_string())
    }

    fn notices(&self, notices: &[Notice], more: i64, words: &Words) -> Letter {
        let told = notices.iter().map(|notice| {
            let (title, text, target) = told_and_target(notice, words);
            (title.clone(), format!("{title}\n{text}\n{}", self.link(&target)))
        });
        let (titles, mut parts): (Vec<String>, Vec<String>) = told.unzip();
        let all = i64::try_from(notices.len()).unwrap_or(i64::MAX).saturating_add(more);
        let subject = match &titles[..] {
            [one] if more == 0 => one.clone(),
            _ => words.with("page-mail-notices", all.to_string()),
        };
        if more > 0 {
            parts.push(format!("{}\n{}", words.with("page-mail-notices-more", more.to_string()), self.link("/account/notices")));
        }
        parts.push(format!("{}\n{}", words.s("page-mail-notices-why"), self.link("/account#mail")));
        Letter { subject, text: parts.join("\n\n") }
    }
}

impl Wording for Letters {
    fn letter(&self, matter: &Matter<'_>, to: &Addressee) -> Letter {
        let words = Words::in_zone(to.locale, self.zone.clone());
        let Letter { subject, text } = match matter {
            Matter::PasswordReset { login, token, minutes } => {
                let path = format!(
                    "/password/reset?{}",
                    url::form_urlencoded::Serializer::new(String::new()).append_pair("token", token).finish()
                );
                let parts = [
                    words.with("page-mail-reset-what", *login),
                    self.link(&path),
                    words.with("page-mail-reset-until", minutes.to_string()),
                    words.s("page-mail-reset-not-you"),
                ];
                Letter { subject: words.s("page-mail-reset"), text: parts.join("\n\n") }
            }
            Matter::PasswordChanged { login, at } => {
                let what = [("login", (*login).to_owned()), ("at", words.time(*at))];
                let parts = [
                    texts::part(to.locale, "page-mail-changed-what", &what),
                    words.s("page-mail-changed-not-you"),
                    self.link("/password/forgot"),
                ];
                Letter { subject: words.s("page-mail-changed"), text: parts.join("\n\n") }
            }
            Matter::Notices { notices, more } => self.notices(notices, *more, &words),
        };
        let market = words.s("page-market");
        let greeting = words.with("page-mail-hello", &*to.name);
        Letter { subject: format!("{subject} · {market}"), text: format!("{greeting}\n\n{text}\n\n{market}\n{}\n", self.link("/")) }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use kernel::{AccountId, Entropy, Locale, NoticeId, UserId};
    use market::notices::NoticeKind;

    use super::*;

    fn to(locale: Locale) -> Addressee {
        let entropy = Entropy::from_seed([1; 32]);
        let (user, account) = (UserId::new(0, &entropy), AccountId::new(0, &entropy));
        Addressee { user, account, name: "Li Wei".to_owned(), email: "li@example.com".to_owned(), locale }
    }

    fn notice(kind: NoticeKind) -> Notice {
        let id = NoticeId::new(0, &Entropy::from_seed([1; 32]));
        Notice { id, at: 0, kind, subject: "sub_1".to_owned(), args: serde_json::json!({ "days": 3, "ends_at": 1_000 }), read_at: None }
    }

    #[test]
    fn every_matter_has_words_in_both_languages_and_links_to_the_marketplace() {
        let letters = Letters::new("https://market.example/".parse().unwrap(), Zone::shanghai());
        let two = [notice(NoticeKind::SubscriptionEnds), notice(NoticeKind::DepositRecorded)];
        let matters = [
            Matter::PasswordReset { login: "li.wei", token: "ysr_x", minutes: 60 },
            Matter::PasswordChanged { login: "li.wei", at: 0 },
            Matter::Notices { notices: &two[..1], more: 0 },
            Matter::Notices { notices: &two, more: 7 },
        ];
        for locale in [Locale::En, Locale::ZhCn] {
            for matter in &matters {
                let Letter { subject, text } = letters.letter(matter, &to(locale));
                assert!(!subject.contains("page-") && !text.contains("page-"), "{subject}\n{text}");
                assert!(text.contains("Li Wei") && text.contains("https://market.example/"), "{text}");
                assert!(!subject.contains("ysr_x"), "a subject is no secret");
            }
        }
        let text = letters.letter(&matters[0], &to(Locale::En)).text;
        assert!(text.contains("\nhttps://market.example/password/reset?token=ysr_x\n"), "{text}");
        let many = letters.letter(&matters[3], &to(Locale::En));
        assert!(many.subject.contains('9') && many.text.contains("https://market.example/buyer/services/sub_1"), "{many:?}");
    }
}
