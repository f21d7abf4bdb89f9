//! What an item made: hashed, and stored sealed below its folder.

use super::input::Buckets;
use client::compute::{
    LOG, Made, STDOUT, SealedBlock, block_name, block_object, files_name, folder_of_attempt, result_hash,
};
use client::{Client, ClientError, PutAsk, SMALL_MAX, Small};
use codec::records;
use model::compute::Partitioning;
use std::collections::BTreeMap;
use std::sync::Arc;
use wire::compute::Parcel;

/// An object to be stored: the place of the link that writes it, its name, its bytes.
#[derive(Debug, PartialEq, Eq)]
pub struct Object {
    /// Place of the link.
    pub link: u16,
    /// Name in its bucket.
    pub name: String,
    /// Content.
    pub content: Vec<u8>,
}

/// What one item made.
#[derive(Debug, Default)]
pub struct Product {
    /// To be stored, where it is wanted.
    pub objects: Vec<Object>,
    /// Compared with others'.
    pub hash: [u8; 32],
    /// Bytes of all objects.
    pub bytes: u64,
}

/// Parts a mapper's output; sorted.
///
/// # Errors
/// [`ClientError::Unexpected`] for records that are none.
pub fn parts(stdout: &[u8], how: &Partitioning) -> Result<Vec<Vec<u8>>, ClientError> {
    records::part(stdout, how).map_err(|_| ClientError::Unexpected("a record of more than 1 MiB"))
}

/// The product of an attempt of `serial` that ended well: files of `/out` where there are any, else its standard output.
pub fn whole(
    serial: u64,
    parcel: &Parcel,
    check_key: &[u8; 32],
    stdout: Vec<u8>,
    outputs: BTreeMap<String, Vec<u8>>,
) -> Product {
    let (link, folder) = &parcel.out;
    let named: Vec<(String, Vec<u8>)> = if outputs.is_empty() {
        vec![(STDOUT.to_owned(), stdout)]
    } else {
        outputs.into_iter().map(|(path, content)| (files_name(&path), content)).collect()
    };
    let made: Vec<Made> = named.iter().map(|(name, content)| made(name, content)).collect();
    let objects = named.into_iter().map(|(name, content)| Object {
        link: *link,
        name: format!("{folder}{}{name}", folder_of_attempt(serial)),
        content,
    });
    let objects: Vec<Object> = objects.collect();
    product(objects, check_key, &made)
}

/// The blocks of a mapper as objects, for where they are stored instead of kept.
pub fn blocks(serial: u64, parcel: &Parcel, stage: u8, blocks: &[Arc<SealedBlock>]) -> Vec<Object> {
    let (link, folder) = &parcel.out;
    let job = folder.strip_suffix(&client::compute::folder_of_item(stage, parcel.item)).unwrap_or(folder);
    let object = |block: &Arc<SealedBlock>| Object {
        link: parcel.parts.get(block.head.part as usize).copied().unwrap_or(*link),
        name: format!("{job}{}", block_name(block.head.part, parcel.item, serial)),
        content: block_object(block),
    };
    blocks.iter().map(object).collect()
}

fn product(objects: Vec<Object>, check_key: &[u8; 32], made: &[Made]) -> Product {
    let bytes = objects.iter().map(|object| object.content.len() as u64).sum();
    Product { hash: result_hash(check_key, 0, made), objects, bytes }
}

fn made(name: &str, content: &[u8]) -> Made {
    Made { name: name.to_owned(), size: content.len() as u64, hash: *blake3::hash(content).as_bytes() }
}

/// The kept end of an attempt's standard error as an object; none where it said nothing.
pub fn log(serial: u64, parcel: &Parcel, stderr: Vec<u8>) -> Option<Object> {
    let (link, folder) = &parcel.out;
    (!stderr.is_empty()).then(|| Object {
        link: *link,
        name: format!("{folder}{}{LOG}", folder_of_attempt(serial)),
        content: stderr,
    })
}

/// Stores objects, small ones of one bucket together; durable when this returns.
pub async fn store(client: &Client, buckets: &Buckets, objects: Vec<Object>) -> Result<(), ClientError> {
    let mut small: BTreeMap<u16, Vec<Small>> = BTreeMap::new();
    for object in objects {
        let ask = PutAsk { size_hint: object.content.len() as u64, ..PutAsk::new(&object.name) };
        if object.content.len() as u64 <= SMALL_MAX {
            small.entry(object.link).or_default().push(Small { ask, content: object.content });
            continue;
        }
        let bucket = buckets.at(object.link).await?;
        client.put(&bucket, ask, Box::new(std::io::Cursor::new(object.content)), &|_, _, _| {}).await?;
    }
    for (link, items) in small {
        let bucket = buckets.at(link).await?;
        client.put_small(&bucket, items, &|_, _, _| {}).await?;
    }
    Ok(())
}
