//! `yunshi verify --proof`: a proof of somebody's ledger, checked with nothing but the file.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result};
use jiff::Timestamp;
use wire::proof::{self, Consistency, Entry, Inclusion, PROOF_BYTES_MAX, PublicKey, SignedHead, Sound};

use super::counted;
use crate::failure::Failure;

/// Says in words what the proof proves, or why it is refused.
pub(super) fn run(path: &Path, key: Option<&PublicKey>) -> Result<(), Failure> {
    let file = read(path)?;
    let sound = match proof::check(&file, key) {
        Ok(sound) => sound,
        Err(reason) => {
            println!("REFUSED: {reason}");
            return Err(Failure::unwell());
        }
    };
    match &sound {
        Sound::Inclusion(proof) => inclusion(proof),
        Sound::Consistency(proof) => consistency(proof),
    }
    let (Sound::Inclusion(Inclusion { head, .. }) | Sound::Consistency(Consistency { second: head, .. })) = &sound;
    trust(head, key);
    Ok(())
}

/// The file; of one that is too large, as much as shows that it is.
fn read(path: &Path) -> Result<Vec<u8>> {
    let cannot = || format!("cannot read {}", path.display());
    let mut bytes = Vec::new();
    let limit = u64::try_from(PROOF_BYTES_MAX).unwrap_or(u64::MAX).saturating_add(1);
    File::open(path).with_context(cannot)?.take(limit).read_to_end(&mut bytes).with_context(cannot)?;
    Ok(bytes)
}

fn inclusion(proof: &Inclusion) {
    let Inclusion { subject, reference, entries, head, .. } = proof;
    println!("the {} {reference}:", subject.word());
    for proven in entries {
        say(&proven.entry);
    }
    println!("{}", described(head));
    let these = if entries.len() == 1 { "this entry" } else { "these entries" };
    println!("PROVEN: the ledger of this head holds {these}, word for word.");
    println!("Not proven: that it holds nothing else about the {}.", subject.word());
}

fn say(entry: &Entry) {
    let Entry { at, currency, id, kind, postings, sequence, .. } = entry;
    println!("  entry {sequence}, {}: {kind} {id}", moment(*at));
    for posting in postings {
        println!("    {:>16} {currency}  from {}  to {}", posting.amount, posting.from, posting.to);
    }
}

fn consistency(proof: &Consistency) {
    println!("older: {}", described(&proof.first));
    println!("newer: {}", described(&proof.second));
    println!("PROVEN: the newer ledger begins with the whole older one; nothing in it was changed, moved or taken away.");
}

fn described(head: &SignedHead) -> String {
    let SignedHead { at, key, root, size, .. } = head;
    let entries = if *size == 1 { "entry" } else { "entries" };
    format!("head of {}, {}: {size} {entries}, root {root}", key.name(), moment(*at))
}

/// Whose word it is that was checked.
fn trust(head: &SignedHead, given: Option<&PublicKey>) {
    if given.is_some() {
        println!("signed with the key that was given, {}", head.key);
        return;
    }
    println!("signed with the key {}", head.key);
    println!(
        "WARNING: this key was taken from the file itself. Compare it with the one that the market publishes, or give that one with --key."
    );
}

fn moment(at: i64) -> String {
    Timestamp::from_millisecond(at).map_or_else(|_| counted(at, "millisecond"), |moment| moment.to_string())
}
