//! Talking to the agent of this home over its control socket, and to the center: through the agent where one runs,
//! else straight with the machine's own key.

use crate::fault::Fault;
use crate::home::Home;
use crate::membership::Membership;
use model::errors;
use model::ids::base32;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use wire::local::{LocalAnswer, LocalAsk};
use wire::{Envelope, Reply, Request, limits};

/// How long the agent may take over one answer. Longer than the agent gives itself, so that its own reason is heard.
const AGENT_TIMEOUT: Duration = Duration::from_secs(45);

/// Asks the agent; E0201 when none runs.
pub async fn ask_agent(home: &Home, ask: &LocalAsk) -> Result<LocalAnswer, Fault> {
    let down = |e: &dyn std::fmt::Display| Fault::new(errors::AGENT_DOWN, []).because(e);
    let stream = UnixStream::connect(home.agent_socket()).await.map_err(|e| down(&e))?;
    let talk = async {
        let (read, mut write) = stream.into_split();
        let mut line = serde_json::to_vec(ask).map_err(Fault::bug)?;
        line.push(b'\n');
        write.write_all(&line).await.map_err(|e| down(&e))?;
        let mut answer = Vec::new();
        let mut reader = BufReader::new(read.take(limits::LOCAL_LINE_MAX as u64));
        reader.read_until(b'\n', &mut answer).await.map_err(|e| down(&e))?;
        serde_json::from_slice(&answer).map_err(|e| down(&e))
    };
    let answer = tokio::time::timeout(AGENT_TIMEOUT, talk).await;
    match answer.map_err(|_| Fault::new(errors::TIMED_OUT, [("wait", "45 s"), ("who", "agent")]))?? {
        LocalAnswer::Refused { id, args } => Err(Fault { id: errors::ErrorId(id), args, cause: None }),
        answer => Ok(answer),
    }
}

/// True when an agent of this home answers.
pub async fn agent_runs(home: &Home) -> bool {
    ask_agent(home, &LocalAsk::Status).await.is_ok()
}

/// Asks the center, by the agent's connection or by one of our own.
pub async fn ask_center(home: &Home, request: Request, timeout: Duration) -> Result<Reply, Fault> {
    let membership = Membership::load(home)?;
    let envelope = Envelope::new(request);
    let through = ask_agent(home, &LocalAsk::Center { envelope: base32().encode(&envelope.to_bytes()) }).await;
    let bytes = match through {
        Ok(LocalAnswer::Center { reply }) => base32().decode(reply.as_bytes()).map_err(Fault::bug)?,
        Ok(_) => return Err(Fault::bug("the agent answered something else")),
        Err(fault) if fault.id == errors::AGENT_DOWN => ask_directly(home, &membership, &envelope, timeout).await?,
        Err(fault) => return Err(fault),
    };
    Ok(Reply::from_bytes(&bytes).map_err(Fault::bug)?.into_answer()?)
}

/// The way to the center of a command that asks it often: through the agent where one runs, else over one link of its own
/// that is kept, and dialed anew when it was lost.
pub struct CenterLink {
    home: Home,
    timeout: Duration,
    has_agent: bool,
    own: tokio::sync::Mutex<Option<std::sync::Arc<crate::dial::Dialed>>>,
}

impl CenterLink {
    /// Looks whether an agent runs; dials nobody yet.
    pub async fn new(home: &Home, timeout: Duration) -> Self {
        let has_agent = agent_runs(home).await;
        Self { home: home.clone(), timeout, has_agent, own: tokio::sync::Mutex::default() }
    }

    /// Over a link that is there already, and never through an agent.
    pub fn over(home: &Home, timeout: Duration, dialed: crate::dial::Dialed) -> Self {
        let own = tokio::sync::Mutex::new(Some(std::sync::Arc::new(dialed)));
        Self { home: home.clone(), timeout, has_agent: false, own }
    }

    /// Asks the center.
    pub async fn ask(&self, request: Request) -> Result<Reply, Fault> {
        if self.has_agent {
            return ask_center(&self.home, request, self.timeout).await;
        }
        let envelope = Envelope::new(request);
        let mut answer = self.ask_once(&envelope).await;
        if answer.is_err() && envelope.request.may_repeat() {
            answer = self.ask_once(&envelope).await;
        }
        Ok(Reply::from_bytes(&answer?).map_err(Fault::bug)?.into_answer()?)
    }

    /// One try; a link that brought no answer is not used again.
    async fn ask_once(&self, envelope: &Envelope) -> Result<Vec<u8>, Fault> {
        let dialed = self.dialed().await?;
        let answer = dialed.call(envelope, self.timeout).await;
        if answer.is_err() {
            self.own.lock().await.take();
            dialed.endpoint().close().await;
        }
        answer
    }

    async fn dialed(&self) -> Result<std::sync::Arc<crate::dial::Dialed>, Fault> {
        let mut own = self.own.lock().await;
        if let Some(dialed) = own.as_ref() {
            return Ok(std::sync::Arc::clone(dialed));
        }
        let center = Membership::load(&self.home)?.center;
        let dialed = std::sync::Arc::new(crate::dial::Dialed::to_center(&self.home, center, self.timeout).await?);
        *own = Some(std::sync::Arc::clone(&dialed));
        Ok(dialed)
    }

    /// Ends the link of its own.
    pub async fn close(&self) {
        if let Some(dialed) = self.own.lock().await.take() {
            dialed.endpoint().close().await;
        }
    }
}

/// Dials the center with the machine's key for one call.
async fn ask_directly(
    home: &Home,
    membership: &Membership,
    envelope: &Envelope,
    timeout: Duration,
) -> Result<Vec<u8>, Fault> {
    let dialed = crate::dial::Dialed::to_center(home, membership.center.clone(), timeout).await?;
    let reply = dialed.call(envelope, timeout).await;
    dialed.close().await;
    reply
}
