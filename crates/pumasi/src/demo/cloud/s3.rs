//! What a tool does in the demo's cloud: it stores and reads by S3, with a key of the operator's home, through a gateway that runs
//! there.

use super::{Cloud, LOOK_EVERY, PATIENCE};
use crate::clock;
use gateway::tool::{Tool, ToolAnswer, ToolAsk};
use std::path::Path;
use std::time::Instant;

/// The tool's bucket, and its object.
pub(super) const BUCKET: &str = "/tools";
pub(super) const OBJECT: &str = "/tools/by-s3/letter.txt";
/// Bytes that are read by themselves.
const PART: usize = 1_000_000;

impl Cloud {
    /// `pumasi gateway key create`, `pumasi gateway run`; then a tool makes a bucket and stores the file.
    pub async fn put_s3(&mut self, file: &Path) -> Result<(), String> {
        let made = self.shown(&["gateway", "key", "create", "--json"]).await?;
        let of = |field: &str| made[field].as_str().map(str::to_owned).ok_or_else(|| format!("no {field}"));
        let (id, secret) = (of("id")?, of("secret_access_key")?);
        let args = ["gateway", "run", "--s3", "127.0.0.1:0", "--webdav", "127.0.0.1:0"];
        self.gateway = Some(self.spawn(&self.operator.home, &args, "gateway.log")?);
        let card = self.operator.home.gateway_card();
        let begun = Instant::now();
        let addr = loop {
            let told: serde_json::Value =
                serde_json::from_slice(&std::fs::read(&card).unwrap_or_default()).unwrap_or_default();
            if let Some(addr) = told["s3"].as_str().and_then(|addr| addr.parse().ok()) {
                break addr;
            }
            if begun.elapsed() > PATIENCE {
                return Err(self.log("gateway.log"));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        };
        let tool = Tool { addr, id, secret, now: clock::now };
        good(tool.ask(ToolAsk::new("PUT", BUCKET)).await)?;
        let content = std::fs::read(file).map_err(|e| e.to_string())?;
        good(tool.ask(ToolAsk::new("PUT", OBJECT).body(content)).await)?;
        self.tool = Some(tool);
        Ok(())
    }

    /// The tool reads the file byte for byte, whole and its end alone.
    pub async fn get_s3(&self, file: &Path) -> Result<(), String> {
        let tool = self.tool.as_ref().ok_or("no tool")?;
        let content = std::fs::read(file).map_err(|e| e.to_string())?;
        let whole = good(tool.ask(ToolAsk::new("GET", OBJECT)).await)?;
        let end = ToolAsk::new("GET", OBJECT).header("range", &format!("bytes=-{PART}"));
        let end = good(tool.ask(end).await)?;
        let same = whole.body == content && end.body == content[content.len().saturating_sub(PART)..];
        if same { Ok(()) } else { Err("the bytes differ".to_owned()) }
    }
}

fn good(answer: Result<ToolAnswer, gateway::tool::ToolError>) -> Result<ToolAnswer, String> {
    let answer = answer.map_err(|e| e.to_string())?;
    if answer.status < 300 { Ok(answer) } else { Err(format!("{}: {}", answer.status, answer.text())) }
}
