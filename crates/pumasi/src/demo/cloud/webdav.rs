//! What a file manager does in the demo's cloud: what a tool stored by S3 it lists as a file in a folder and reads by WebDAV, with
//! the same key.

use super::Cloud;
use super::s3::{BUCKET, OBJECT};
use gateway::tool::{Tool, ToolAsk};
use std::path::Path;

impl Cloud {
    /// The file is in its folder, and reads back byte for byte.
    pub async fn get_webdav(&self, file: &Path) -> Result<(), String> {
        let tool = self.tool.as_ref().ok_or("no tool")?;
        let card = std::fs::read(self.operator.home.gateway_card()).map_err(|e| e.to_string())?;
        let card: serde_json::Value = serde_json::from_slice(&card).map_err(|e| e.to_string())?;
        let addr = card["webdav"].as_str().and_then(|addr| addr.parse().ok()).ok_or("no WebDAV is served")?;
        let (tool, password) = (Tool { addr, ..tool.clone() }, gateway::dav::password(&tool.id, &tool.secret));
        let ask = |method: &str, path: &str| ToolAsk::new(method, path).header("authorization", &password);
        let folder = OBJECT.rsplit_once('/').map_or(BUCKET, |(folder, _)| folder);
        let listed = tool.send(ask("PROPFIND", folder).header("depth", "1")).await.map_err(|e| e.to_string())?;
        if listed.status != 207 || !listed.text().contains(&format!("<D:href>{OBJECT}</D:href>")) {
            return Err(format!("{}: {}", listed.status, listed.text()));
        }
        let read = tool.send(ask("GET", OBJECT)).await.map_err(|e| e.to_string())?;
        let content = std::fs::read(file).map_err(|e| e.to_string())?;
        if read.status == 200 && read.body == content {
            Ok(())
        } else {
            Err(format!("{}: the bytes differ", read.status))
        }
    }
}
