//! What an answer means for a case; pure.

use std::collections::BTreeMap;

use crate::case::{Expect, No, Order};
use crate::dialect::{Refusal, Reply};
use crate::reason::Reason;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Good to know.
    Note,
    /// Not as documented, and harmless.
    Warn,
    /// Against the rule of the case.
    Breach,
}

/// Something that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub level: Level,
    /// What it is.
    pub reason: Reason,
}

/// What an answer means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Judged {
    Right,
    Found(Finding),
    /// Not yet as it should be; asking again may help.
    NotYet(Reason),
}

/// Whom a call was about.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Subject<'a> {
    Order(Order),
    Instances(&'a [String]),
    Nobody,
}

/// Which instance each order of this run has.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    by_order: BTreeMap<Order, String>,
    order_of: BTreeMap<String, Order>,
}

impl Facts {
    pub(crate) fn instance(&self, order: Order) -> Option<&str> {
        self.by_order.get(&order).map(String::as_str)
    }

    /// Takes note of an instance; the first one of an order stays, and so does the first order of an instance.
    pub(crate) fn note(&mut self, order: Order, instance: &str) {
        if self.by_order.contains_key(&order) || self.order_of.contains_key(instance) {
            return;
        }
        self.by_order.insert(order, instance.to_owned());
        self.order_of.insert(instance.to_owned(), order);
    }

    fn judge_instance(&self, order: Order, instance: &str) -> Judged {
        if let Some(owner) = self.order_of.get(instance)
            && *owner != order
        {
            return breach(Reason::SharedInstance(instance.to_owned()));
        }
        match self.instance(order) {
            Some(first) if first != instance => breach(Reason::AnotherInstance { first: first.to_owned(), now: instance.to_owned() }),
            _ => Judged::Right,
        }
    }
}

fn found(level: Level, reason: Reason) -> Judged {
    Judged::Found(Finding { level, reason })
}

fn breach(reason: Reason) -> Judged {
    found(Level::Breach, reason)
}

fn warn(reason: Reason) -> Judged {
    found(Level::Warn, reason)
}

/// Judges one answer. Facts are those from before it.
pub(crate) fn judge(expect: Expect, subject: Subject<'_>, reply: &Reply, facts: &Facts) -> Judged {
    match expect {
        Expect::Whatever => Judged::Right,
        Expect::Answer => match reply {
            Reply::Broken(broken) => breach(Reason::Broken(broken.clone())),
            _ => Judged::Right,
        },
        Expect::Opened => opened(subject, reply, facts),
        Expect::OpenedOr(refusals) => match reply {
            Reply::Refused(refusal) if refusals.is_empty() || refusals.contains(&refusal.no) => {
                found(Level::Note, Reason::MayRefuse(refusal.code.clone()))
            }
            Reply::Refused(refusal) => warn(Reason::OtherCode(refusal.clone())),
            Reply::Broken(broken) if !refusals.is_empty() => warn(Reason::RefusedBadly(broken.clone())),
            _ => opened(subject, reply, facts),
        },
        Expect::Rehearsed => match reply {
            Reply::Done { instance: Some(_) } | Reply::Pending { .. } => Judged::Right,
            other => failed(other),
        },
        Expect::Told => told(subject, reply),
        Expect::TellsNothing => tells_nothing(subject, reply),
        Expect::ToldNoMore => told_no_more(subject, reply),
        Expect::Done => done(reply),
        Expect::DoneOrGone => match reply {
            Reply::Refused(refusal) if refusal.no == No::UnknownInstance => warn(Reason::Gone),
            other => done(other),
        },
        Expect::DoneOrUnknown => match reply {
            Reply::Refused(refusal) if refusal.no == No::UnknownInstance => Judged::Right,
            Reply::Refused(refusal) => warn(Reason::OtherCode(refusal.clone())),
            other => done(other),
        },
        Expect::Refused(best) => refused(best, reply),
        Expect::Believed => match reply {
            Reply::Refused(Refusal { no: No::NotAuthenticated, .. }) => breach(Reason::NotBelieved),
            Reply::Broken(broken) => breach(Reason::Broken(broken.clone())),
            Reply::Done { .. } | Reply::Pending { .. } | Reply::Told(_) | Reply::Refused(_) => Judged::Right,
        },
    }
}

/// What is wrong with an answer that should have been a success.
fn failed(reply: &Reply) -> Judged {
    match reply {
        Reply::Refused(refusal) => breach(Reason::Refused(refusal.clone())),
        Reply::Broken(broken) => breach(Reason::Broken(broken.clone())),
        Reply::Pending { .. } => Judged::NotYet(Reason::InProgress),
        Reply::Done { .. } | Reply::Told(_) => breach(Reason::OtherAnswer),
    }
}

fn done(reply: &Reply) -> Judged {
    match reply {
        Reply::Done { .. } => Judged::Right,
        // Begun, and nothing that could be asked about tells when it has ended.
        Reply::Pending { .. } => found(Level::Note, Reason::InProgress),
        other => failed(other),
    }
}

fn opened(subject: Subject<'_>, reply: &Reply, facts: &Facts) -> Judged {
    match (reply, subject) {
        (Reply::Done { instance: Some(id) } | Reply::Pending { instance: Some(id) }, Subject::Order(order)) => {
            facts.judge_instance(order, id)
        }
        (Reply::Pending { instance: None }, _) => breach(Reason::PendingWithoutInstance),
        (other, _) => failed(other),
    }
}

fn told(subject: Subject<'_>, reply: &Reply) -> Judged {
    let Subject::Instances(asked) = subject else { return Judged::Right };
    match reply {
        Reply::Told(infos) => {
            if let Some(stranger) = infos.iter().find(|told| !asked.contains(&told.instance)) {
                return breach(Reason::Stranger(stranger.instance.clone()));
            }
            if let Some(told) = infos.iter().find(|told| told.lacks_address) {
                return breach(Reason::NoAddress(told.instance.clone()));
            }
            match asked.iter().find(|id| infos.iter().all(|told| told.instance != **id)) {
                Some(missing) => Judged::NotYet(Reason::NotTold(missing.clone())),
                None => Judged::Right,
            }
        }
        Reply::Refused(refusal) if refusal.no == No::UnknownInstance => Judged::NotYet(Reason::Refused(refusal.clone())),
        other => failed(other),
    }
}

fn tells_nothing(subject: Subject<'_>, reply: &Reply) -> Judged {
    match reply {
        Reply::Told(infos) => match infos.first() {
            Some(told) if matches!(subject, Subject::Instances(asked) if asked.contains(&told.instance)) => breach(Reason::Accepted),
            Some(told) => breach(Reason::Stranger(told.instance.clone())),
            None => Judged::Right,
        },
        Reply::Refused(refusal) if refusal.no == No::NotAuthenticated => warn(Reason::OtherCode(refusal.clone())),
        Reply::Refused(_) => Judged::Right,
        Reply::Broken(broken) => warn(Reason::RefusedBadly(broken.clone())),
        Reply::Done { .. } | Reply::Pending { .. } => breach(Reason::Accepted),
    }
}

fn told_no_more(subject: Subject<'_>, reply: &Reply) -> Judged {
    let Subject::Instances(asked) = subject else { return Judged::Right };
    match reply {
        Reply::Told(infos) => match infos.iter().find(|told| asked.contains(&told.instance)) {
            Some(told) => Judged::NotYet(Reason::StillTold(told.instance.clone())),
            None => tells_nothing(subject, reply),
        },
        Reply::Pending { .. } => Judged::NotYet(Reason::InProgress),
        other => tells_nothing(subject, other),
    }
}

fn refused(best: &[No], reply: &Reply) -> Judged {
    match reply {
        Reply::Refused(refusal) if best.contains(&refusal.no) => Judged::Right,
        Reply::Refused(refusal) => warn(Reason::OtherCode(refusal.clone())),
        Reply::Broken(broken) => warn(Reason::RefusedBadly(broken.clone())),
        Reply::Done { .. } | Reply::Pending { .. } | Reply::Told(_) => breach(Reason::Accepted),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::{Broken, Told, Way};

    const ORDER: Order = Order::new("A");

    fn no(no: No) -> Reply {
        Reply::Refused(Refusal { no, code: "0".to_owned(), meaning_en: String::new(), meaning_zh: String::new(), message: None })
    }

    fn tells(ids: &[&str]) -> Reply {
        Reply::Told(ids.iter().map(|id| Told { instance: (*id).to_owned(), lacks_address: false }).collect())
    }

    fn broken() -> Reply {
        Reply::Broken(Broken { word: "status", en: String::new(), zh: String::new(), way: Way::Arrived })
    }

    /// What is found, in one word, and how bad it is.
    fn said(expect: Expect, reply: &Reply) -> String {
        let asked = ["i-1".to_owned(), "i-2".to_owned()];
        let subject = match expect {
            Expect::Opened | Expect::OpenedOr(_) => Subject::Order(ORDER),
            _ => Subject::Instances(&asked),
        };
        let mut facts = Facts::default();
        facts.note(ORDER, "i-1");
        facts.note(Order::new("B"), "i-2");
        match judge(expect, subject, reply, &facts) {
            Judged::Right => "right".to_owned(),
            Judged::NotYet(reason) => format!("not yet: {}", reason.word()),
            Judged::Found(finding) => format!("{:?}: {}", finding.level, finding.reason.word()),
        }
    }

    #[test]
    fn an_answer_means_what_the_case_expects() {
        let done = Reply::Done { instance: None };
        let opened = |id: &str| Reply::Done { instance: Some(id.to_owned()) };
        let pending = Reply::Pending { instance: None };
        let (forged, bad, unknown, other) = (no(No::NotAuthenticated), no(No::BadParameter), no(No::UnknownInstance), no(No::Other));
        for (expect, reply, meaning) in [
            (Expect::Opened, &opened("i-1"), "right"),
            (Expect::Opened, &opened("i-9"), "Breach: another_instance"),
            (Expect::Opened, &opened("i-2"), "Breach: shared_instance"),
            (Expect::Opened, &pending, "Breach: pending_without_instance"),
            (Expect::Opened, &other, "Breach: refused"),
            (Expect::OpenedOr(&[]), &other, "Note: may_refuse"),
            (Expect::OpenedOr(&[]), &broken(), "Breach: status"),
            (Expect::OpenedOr(&[No::NotAuthenticated]), &forged, "Note: may_refuse"),
            (Expect::OpenedOr(&[No::NotAuthenticated]), &other, "Warn: other_code"),
            (Expect::OpenedOr(&[No::NotAuthenticated]), &broken(), "Warn: refused_badly"),
            (Expect::Told, &tells(&["i-2", "i-1"]), "right"),
            (Expect::Told, &tells(&["i-1"]), "not yet: not_told"),
            (Expect::Told, &tells(&["i-1", "i-2", "i-3"]), "Breach: stranger"),
            (Expect::Told, &pending, "not yet: in_progress"),
            (Expect::Told, &unknown, "not yet: refused"),
            (Expect::Told, &forged, "Breach: refused"),
            (Expect::TellsNothing, &tells(&[]), "right"),
            (Expect::TellsNothing, &tells(&["i-1"]), "Breach: accepted"),
            (Expect::TellsNothing, &tells(&["i-3"]), "Breach: stranger"),
            (Expect::TellsNothing, &bad, "right"),
            (Expect::TellsNothing, &broken(), "Warn: refused_badly"),
            (Expect::ToldNoMore, &tells(&["i-1"]), "not yet: still_told"),
            (Expect::ToldNoMore, &unknown, "right"),
            (Expect::Done, &done, "right"),
            (Expect::Done, &pending, "Note: in_progress"),
            (Expect::Done, &unknown, "Breach: refused"),
            (Expect::DoneOrGone, &unknown, "Warn: gone"),
            (Expect::DoneOrUnknown, &unknown, "right"),
            (Expect::DoneOrUnknown, &bad, "Warn: other_code"),
            (Expect::Refused(&[No::NotAuthenticated]), &forged, "right"),
            (Expect::Refused(&[No::NotAuthenticated]), &bad, "Warn: other_code"),
            (Expect::Refused(&[No::NotAuthenticated]), &broken(), "Warn: refused_badly"),
            (Expect::Refused(&[No::NotAuthenticated]), &done, "Breach: accepted"),
            (Expect::Believed, &bad, "right"),
            (Expect::Believed, &forged, "Breach: not_believed"),
            (Expect::Whatever, &broken(), "right"),
        ] {
            assert_eq!(said(expect, reply), meaning, "{expect:?} {reply:?}");
        }
    }
}
