//! A second device is added: two machines of one person agree through the center, which may lie, and a person compares six digits
//! (`docs/design/security.md` §5).
//!
//! New → old: a commitment. Old → new: its nonce, key and account. New → old: what the commitment hides: nonce, keys, name. Six
//! digits from all of this; whoever sits between them had to commit before it knew the other's nonce, so it guesses one in a
//! million. Old → new, once the person typed the digits: the root, boxed for the new machine and signed by the old one.
//!
//! (A) The old machine gives nothing away before the digits were typed. (B) The new machine takes a root only from the machine
//! whose key the digits cover.

use crate::account::{Account, Me};
use crate::{AskCenter, ClientError};
use model::{AccountId, DeviceId, Span, Stamp, errors};
use rand_core::Rng;
use seal::{AccountRoot, BOX_KEY_LEN, BOX_LEN, BoxKey, BoxPurpose, BoxSecret};
use std::time::Duration;
use wire::account::PairSay;
use wire::signed::{DeviceChange, LogFault, Rights, SIGNATURE_LEN, public_of, sign, verify};
use wire::{RefusalMsg, Reply, Request, Ticket};

/// Times the digits may be typed.
pub const DIGITS_TRIES: u8 = 3;
/// How often the other's next word is asked for.
const LISTEN: Duration = Duration::from_millis(300);
const BOX_LABEL: &str = "pumasi v1 box";

/// What the new machine shows of itself.
#[derive(Clone)]
struct Reveal {
    nonce: [u8; 32],
    device: DeviceId,
    box_key: Vec<u8>,
    name: String,
}

impl Reveal {
    fn to_bytes(&self) -> Vec<u8> {
        [&self.nonce[..], &self.device.0, &self.box_key, self.name.as_bytes()].concat()
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let (nonce, rest) = bytes.split_first_chunk::<32>()?;
        let (device, rest) = rest.split_first_chunk::<32>()?;
        let (box_key, name) = rest.split_at_checked(BOX_KEY_LEN)?;
        BoxKey::parse(box_key).ok()?;
        let name = std::str::from_utf8(name).ok().filter(|name| name.len() <= 64)?.to_owned();
        Some(Self { nonce: *nonce, device: DeviceId(*device), box_key: box_key.to_vec(), name })
    }

    fn commitment(&self) -> [u8; 32] {
        blake3::derive_key("pumasi v1 pair commitment", &self.to_bytes())
    }
}

/// What the old machine shows: nonce 32 · device 32 · account 16.
struct Hello {
    nonce: [u8; 32],
    device: DeviceId,
    account: AccountId,
}

impl Hello {
    fn to_bytes(&self) -> Vec<u8> {
        [&self.nonce[..], &self.device.0, self.account.as_bytes()].concat()
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; 80] = bytes.try_into().ok()?;
        let nonce = bytes[..32].try_into().ok()?;
        Some(Self {
            nonce,
            device: DeviceId(bytes[32..64].try_into().ok()?),
            account: AccountId(bytes[64..].try_into().ok()?),
        })
    }
}

/// Six digits of all that was said.
fn digits(ticket: &Ticket, commitment: &[u8; 32], hello: &[u8], reveal: &[u8]) -> String {
    let mut hasher = blake3::Hasher::new_derive_key("pumasi v1 pair digits");
    hasher.update(ticket.cloud.as_bytes()).update(commitment).update(hello).update(reveal);
    let hash = hasher.finalize();
    let number = u64::from_le_bytes(hash.as_bytes()[..8].try_into().expect("a hash has more than 8 bytes"));
    format!("{:06}", number % 1_000_000)
}

fn random() -> [u8; 32] {
    let mut bytes = [0; 32];
    rand::rng().fill_bytes(&mut bytes);
    bytes
}

async fn say(center: &AskCenter, ticket: &Ticket, step: u8, bytes: Vec<u8>) -> Result<(), ClientError> {
    let say = PairSay { secret: ticket.secret, step, bytes };
    center(Request::PairSay(Box::new(say))).await?.into_answer()?;
    Ok(())
}

/// Waits for the other's word; the center ends the wait when the ticket is over.
async fn hear(center: &AskCenter, ticket: &Ticket, step: u8) -> Result<Vec<u8>, ClientError> {
    loop {
        match center(Request::PairHear(ticket.secret, step)).await?.into_answer()? {
            Reply::Pair(Some(bytes)) => return Ok(bytes),
            Reply::Pair(None) => tokio::time::sleep(LISTEN).await,
            _ => return Err(ClientError::Unexpected("no word")),
        }
    }
}

/// The new machine that asks.
pub struct Waiting {
    /// What the old one said.
    pub name: String,
    /// The digits the person types on it.
    pub digits: String,
    rights: Rights,
    device: DeviceId,
    box_key: Vec<u8>,
}

/// On the old machine: lets one device ask, with this ticket and until it is over.
///
/// # Errors
/// [`ClientError`].
pub async fn open(center: &AskCenter, ticket: &Ticket, life: Span) -> Result<(), ClientError> {
    let open = Request::PairOpen(Ticket::secret_hash(&ticket.secret), life.as_ms());
    center(open).await?.into_answer()?;
    Ok(())
}

/// On the old machine: waits until a device asks.
///
/// # Errors
/// [`ClientError`]; E0103 when nobody came in time.
pub async fn wait(
    center: &AskCenter,
    account: &Account,
    me: Me<'_>,
    ticket: &Ticket,
    rights: Rights,
) -> Result<Waiting, ClientError> {
    // Somebody else spoke in its place, or it is no program of ours.
    let bad = || ClientError::Log(LogFault::Signature);
    let commitment: [u8; 32] = hear(center, ticket, 0).await?.try_into().map_err(|_| bad())?;
    let hello = Hello { nonce: random(), device: me.id(), account: account.log.account }.to_bytes();
    say(center, ticket, 1, hello.clone()).await?;
    let shown = hear(center, ticket, 2).await?;
    let reveal = Reveal::parse(&shown).ok_or_else(bad)?;
    if reveal.commitment() != commitment {
        return Err(bad());
    }
    let digits = digits(ticket, &commitment, &hello, &shown);
    Ok(Waiting { name: reveal.name, digits, rights, device: reveal.device, box_key: reveal.box_key })
}

/// On the old machine, once the digits were typed: the new one becomes a device, and gets the root.
///
/// # Errors
/// [`ClientError`].
pub async fn admit(
    center: &AskCenter,
    account: &mut Account,
    me: Me<'_>,
    ticket: &Ticket,
    new: &Waiting,
) -> Result<(), ClientError> {
    let (device, box_key) = (new.device, new.box_key.clone());
    let change = DeviceChange::Add { device, box_key, rights: new.rights, name: new.name.clone() };
    account.push(center, change, me).await?;
    let (to, context) = (BoxKey::parse(&new.box_key)?, account.log.account.0);
    let sealed = to.seal(BoxPurpose::Root, &context, 0, account.root.as_bytes(), &mut rand::rng())?;
    let signature = sign(me.secret, BOX_LABEL, &sealed);
    say(center, ticket, 3, [&sealed[..], &signature].concat()).await
}

/// On the old machine, when the digits were not typed: the new one is told.
///
/// # Errors
/// [`ClientError`].
pub async fn refuse(center: &AskCenter, ticket: &Ticket) -> Result<(), ClientError> {
    say(center, ticket, 3, Vec::new()).await
}

/// On the new machine: shows itself, tells the digits through `show`, and takes the root.
///
/// # Errors
/// [`ClientError::Refused`] with E0106 when the digits were not typed, [`ClientError::WrongKey`] when somebody else answered.
pub async fn ask_in(
    center: &AskCenter,
    secret: &[u8; 32],
    name: &str,
    ticket: &Ticket,
    show: impl FnOnce(&str),
) -> Result<AccountRoot, ClientError> {
    let mine = BoxSecret::of_device(secret);
    let box_key = mine.public().as_bytes().to_vec();
    let reveal = Reveal { nonce: random(), device: DeviceId(public_of(secret)), box_key, name: name.to_owned() };
    say(center, ticket, 0, reveal.commitment().to_vec()).await?;
    let said = hear(center, ticket, 1).await?;
    let hello = Hello::parse(&said).ok_or(ClientError::Log(LogFault::Signature))?;
    say(center, ticket, 2, reveal.to_bytes()).await?;
    show(&digits(ticket, &reveal.commitment(), &said, &reveal.to_bytes()));
    let given = hear(center, ticket, 3).await?;
    if given.is_empty() {
        let args = [("who", name.to_owned()), ("verb", "join".to_owned()), ("thing", "this account".to_owned())];
        return Err(ClientError::Refused(RefusalMsg::new(errors::NOT_ALLOWED, args)));
    }
    let (sealed, signature) = given.split_at_checked(BOX_LEN).ok_or(ClientError::WrongKey)?;
    if signature.len() != SIGNATURE_LEN || !verify(&hello.device.0, BOX_LABEL, sealed, signature) {
        return Err(ClientError::WrongKey);
    }
    let (root, _) = mine.open(BoxPurpose::Root, &hello.account.0, sealed)?;
    Ok(AccountRoot::from_bytes(*root))
}

/// A ticket for a second device.
pub fn ticket(address: &Ticket, now: Stamp, life: Span) -> Ticket {
    let secret = random()[..16].try_into().expect("32 bytes have 16");
    Ticket { kind: wire::TicketKind::Device, secret, expires: now + life, ..address.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::CloudKey;
    use seal::Keybag;
    use std::collections::BTreeMap;
    use std::sync::{Arc, Mutex};
    use wire::signed::DeviceLog;

    const NOW: Stamp = Stamp(1_800_000_000_000);
    const OLD: [u8; 32] = [3; 32];
    const NEW: [u8; 32] = [4; 32];

    type Said = Arc<Mutex<BTreeMap<(u8, u8), Vec<u8>>>>;

    /// A center with one mailbox for each side: what one says is heard by the other as `pass` makes of it.
    fn center(
        side: u8,
        said: &Said,
        pass: impl Fn(u8, Vec<u8>) -> Vec<u8> + Send + Sync + Clone + 'static,
    ) -> AskCenter {
        let said = Arc::clone(said);
        Arc::new(move |request| {
            let (said, pass) = (Arc::clone(&said), pass.clone());
            Box::pin(async move {
                let mut said = said.lock().unwrap();
                Ok(match request {
                    Request::PairSay(say) => {
                        said.insert((side ^ 1, say.step), pass(say.step, say.bytes));
                        Reply::Done
                    }
                    Request::PairHear(_, step) => Reply::Pair(said.get(&(side, step)).cloned()),
                    _ => Reply::Done,
                })
            })
        })
    }

    fn account() -> Account {
        let (root, bag) = (AccountRoot::from_bytes([1; 32]), Keybag::random(&mut rand::rng()));
        let (mut log, _) = DeviceLog::create(bag.signing(), bag.boxes().public().as_bytes(), NOW).unwrap();
        let box_key = BoxSecret::of_device(&OLD).public().as_bytes().to_vec();
        let (device, rights, name) = (DeviceId(public_of(&OLD)), Rights::ALL, "old".to_owned());
        let first = log.next(DeviceChange::Add { device, box_key, rights, name }, bag.signing(), NOW).unwrap();
        log.push(&first).unwrap();
        Account { root, bag, log, phrase_at: None }
    }

    fn a_ticket() -> Ticket {
        let kind = wire::TicketKind::Device;
        let (cloud, secret) = (CloudKey([3; 32]), [9; 16]);
        Ticket { kind, cloud, secret, expires: NOW, direct: Vec::new(), relay: None }
    }

    /// Both sides through a center that passes words on as `pass` says; digits of both, and what the new one got.
    async fn pairing(
        pass: impl Fn(u8, Vec<u8>) -> Vec<u8> + Send + Sync + Clone + 'static,
    ) -> (Option<String>, String, Result<AccountRoot, ClientError>) {
        let said = Said::default();
        let (old, new) = (center(0, &said, pass.clone()), center(1, &said, pass));
        let shown = Arc::new(Mutex::new(String::new()));
        let seen = Arc::clone(&shown);
        let asking = tokio::spawn(async move {
            ask_in(&new, &NEW, "laptop", &a_ticket(), |digits| *seen.lock().unwrap() = digits.to_owned()).await
        });
        let (mut account, me) = (account(), Me { secret: &OLD, now: NOW });
        let typed = match wait(&old, &account, me, &a_ticket(), Rights::ALL).await {
            Ok(waiting) => {
                admit(&old, &mut account, me, &a_ticket(), &waiting).await.unwrap();
                Some(waiting.digits)
            }
            Err(_) => {
                refuse(&old, &a_ticket()).await.unwrap();
                None
            }
        };
        let got = asking.await.unwrap();
        let shown = shown.lock().unwrap().clone();
        (typed, shown, got)
    }

    #[tokio::test]
    async fn both_see_the_same_digits_and_the_root_arrives() {
        let (typed, shown, got) = pairing(|_, bytes| bytes).await;
        assert_eq!(typed.as_ref(), Some(&shown));
        assert_eq!(shown.len(), 6);
        assert!(got.is_ok_and(|root| root.as_bytes() == &[1; 32]));
    }

    #[tokio::test]
    async fn a_center_that_puts_itself_between_shows_in_the_digits_or_is_refused() {
        // It gives the new machine another hello, with its own key in it.
        let evil = Hello { nonce: [5; 32], device: DeviceId(public_of(&[7; 32])), account: AccountId([8; 16]) };
        let evil = evil.to_bytes();
        let (typed, shown, got) = pairing(move |step, bytes| if step == 1 { evil.clone() } else { bytes }).await;
        assert_ne!(typed, Some(shown), "the person sees it; one in a million");
        assert!(matches!(got, Err(ClientError::WrongKey)), "(B)");
        // It shows the old machine another device than was committed to.
        let other = Reveal {
            nonce: [5; 32],
            device: DeviceId(public_of(&[7; 32])),
            box_key: BoxSecret::of_device(&[7; 32]).public().as_bytes().to_vec(),
            name: "laptop".into(),
        };
        let other = other.to_bytes();
        let (typed, _, got) = pairing(move |step, bytes| if step == 2 { other.clone() } else { bytes }).await;
        assert!(typed.is_none() && got.is_err(), "(A)");
        // It puts another root into the box's place.
        let swap = |step: u8, mut bytes: Vec<u8>| {
            if step == 3 && !bytes.is_empty() {
                bytes[100] ^= 1;
            }
            bytes
        };
        assert!(matches!(pairing(swap).await.2, Err(ClientError::WrongKey)));
    }
}
