//! A shuffle's blocks (`docs/design/compute.md` §9): packed, sealed, proved, handed over and asked for.
//!
//! What is sealed: form 1 byte (0: the records as they are; 1: LZ4 of them) and the records, as one run of role 5 under the key
//! of their part, its header in front. A block without records has no bytes at all.
//!
//! (A) What a reducer takes is what the mapper's accepted result commits to, whoever handed it over. (B) Nothing is unpacked to
//! more than [`RATIO_MAX`] times its bytes, or than its head says.

use super::result::{Made, result_hash};
use crate::{Client, ClientError};
use codec::blocks::{BLOCK_PATH_MAX, BlockHash, BlockTree};
use model::{BucketId, JobId};
use seal::{ContentKey, Header, Role, part_key};
use std::sync::Arc;
use std::time::Duration;
use wire::compute::JobItemsAsk;
use wire::limits::{BLOCK_ANSWER_MAX, BLOCKS_GET_MAX, BLOCKS_PUT_MAX, PAGE_MAX};
use wire::shuffle::{BlockAnswer, BlockHead, GetBlocks, PutBlocks};
use wire::storage::StreamOpen;
use wire::{PeerAddr, Reply, Request};

/// Longest wait for a holder that is dialed.
const DIAL_TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes sent in one step.
const STEP: usize = 256 << 10;
/// Most that LZ4 can make of its bytes.
const RATIO_MAX: u64 = 256;
/// Bytes of one block at most, and of all that one holder hands out at once.
const BLOCK_MAX: u64 = 2 << 30;
/// Packed blocks are at most so large a part of what they were: seven eighths, or they are left as they are.
const WORTH: (usize, usize) = (7, 8);
const RAW: u8 = 0;
const LZ4: u8 = 1;

/// A block as it travels and lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedBlock {
    /// What it is, and what proves it.
    pub head: BlockHead,
    /// Its sealed bytes.
    pub bytes: Vec<u8>,
}

/// Blocks of one map item, sealed for who merges their parts, and the hash of the item's result, which commits to them.
///
/// # Errors
/// [`ClientError`] for blocks that are too long to be sealed.
pub fn seal_blocks(
    job: &JobId,
    secret: &[u8; 32],
    check_key: &[u8; 32],
    parts: Vec<Vec<u8>>,
) -> Result<(Vec<SealedBlock>, [u8; 32]), ClientError> {
    let hashes: Vec<BlockHash> = parts.iter().map(|records| BlockHash::of(records)).collect();
    let tree = BlockTree::of(&hashes);
    let count = u32::try_from(parts.len()).map_err(|_| ClientError::Unexpected("too many parts"))?;
    let mut blocks = Vec::with_capacity(parts.len());
    for ((part, records), made) in (0u32..).zip(parts).zip(&hashes) {
        let bytes = sealed(job, &part_key(secret, part), &records)?;
        let head =
            BlockHead { part, size: made.size, hash: made.hash, sealed: bytes.len() as u64, path: tree.path(part) };
        blocks.push(SealedBlock { head, bytes });
    }
    Ok((blocks, committed(check_key, count, tree.root())))
}

/// The hash of a map item's result: under the job's check key over the number of its parts and the root of their blocks.
fn committed(check_key: &[u8; 32], parts: u32, root: [u8; 32]) -> [u8; 32] {
    result_hash(check_key, 0, &[Made { name: "blocks".to_owned(), size: parts.into(), hash: root }])
}

fn sealed(job: &JobId, key: &[u8; 32], records: &[u8]) -> Result<Vec<u8>, ClientError> {
    if records.is_empty() {
        return Ok(Vec::new());
    }
    let packed = lz4_flex::block::compress(records);
    let is_worth = packed.len() / WORTH.0 < records.len() / WORTH.1;
    let (form, content) = if is_worth { (LZ4, packed.as_slice()) } else { (RAW, records) };
    let key = ContentKey::of_part(*key);
    let header = Header::new(&key, Role::Shuffle, &BucketId(job.0), 0, &mut rand::rng());
    let len = seal::sealed_len(content.len() as u64 + 1);
    let mut out = Vec::with_capacity(Header::LEN + usize::try_from(len).unwrap_or(0));
    out.extend_from_slice(header.as_bytes());
    let mut keep = |chunk: &[u8]| {
        out.extend_from_slice(chunk);
        Ok::<(), seal::SealError>(())
    };
    let mut sealer = seal::Sealer::new(&key, &header)?;
    sealer.push(&[form], &mut keep)?;
    sealer.push(content, &mut keep)?;
    sealer.finish(&mut keep)?;
    Ok(out)
}

/// Who merges a part: its number and key, of how many parts.
#[derive(Debug, Clone, Copy)]
pub struct Merges<'a> {
    /// The job.
    pub job: &'a JobId,
    /// The part.
    pub part: u32,
    /// Number of parts.
    pub parts: u32,
    /// Key of the part's blocks.
    pub key: &'a [u8; 32],
    /// Results are hashed with it.
    pub check_key: &'a [u8; 32],
}

impl Merges<'_> {
    /// The records of a block that a map item's accepted result commits to. (A)
    ///
    /// # Errors
    /// [`ClientError`] for a block of something else, or one that does not open.
    pub fn open(&self, block: &SealedBlock, result: &[u8; 32]) -> Result<Vec<u8>, ClientError> {
        const OTHER: ClientError = ClientError::Unexpected("a block that its mapper did not make");
        let head = &block.head;
        let made = BlockHash { size: head.size, hash: head.hash };
        let root = made.root((self.part, self.parts), &head.path).filter(|_| head.part == self.part).ok_or(OTHER)?;
        if committed(self.check_key, self.parts, root) != *result {
            return Err(OTHER);
        }
        let records = self.unsealed(head.size, &block.bytes)?;
        if BlockHash::of(&records) == made { Ok(records) } else { Err(OTHER) }
    }

    fn unsealed(&self, size: u64, bytes: &[u8]) -> Result<Vec<u8>, ClientError> {
        const NONE: ClientError = ClientError::Unexpected("a block that is none");
        if size == 0 && bytes.is_empty() {
            return Ok(Vec::new());
        }
        let (header, run) = bytes.split_at_checked(Header::LEN).ok_or(NONE)?;
        let header = Header::parse_as(header, Role::Shuffle, &BucketId(self.job.0))?;
        let mut content = seal::open_run(&ContentKey::of_part(*self.key), &header, run)?;
        match content.first() {
            Some(&RAW) => {
                content.remove(0);
                Ok(content)
            }
            Some(&LZ4) if size <= BLOCK_MAX && size <= RATIO_MAX * content.len() as u64 => {
                let len = usize::try_from(size).map_err(|_| NONE)?;
                lz4_flex::block::decompress(&content[1..], len).map_err(|_| NONE)
            }
            _ => Err(NONE),
        }
    }
}

/// Head and bytes of a block as an object holds them.
pub fn block_object(block: &SealedBlock) -> Vec<u8> {
    let head = wire::encode(&block.head);
    let mut out = Vec::with_capacity(4 + head.len() + block.bytes.len());
    out.extend_from_slice(&u32::try_from(head.len()).unwrap_or(u32::MAX).to_le_bytes());
    out.extend_from_slice(&head);
    out.extend_from_slice(&block.bytes);
    out
}

/// Reads [`block_object`].
///
/// # Errors
/// [`ClientError::Unexpected`].
pub fn block_of_object(bytes: &[u8]) -> Result<SealedBlock, ClientError> {
    const NONE: ClientError = ClientError::Unexpected("an object that is no block");
    let (len, rest) = bytes.split_first_chunk::<4>().ok_or(NONE)?;
    let (head, bytes) = rest.split_at_checked(u32::from_le_bytes(*len) as usize).ok_or(NONE)?;
    let head: BlockHead = wire::decode(head, BLOCK_ANSWER_MAX).map_err(|_| NONE)?;
    if head.sealed != bytes.len() as u64 {
        return Err(NONE);
    }
    Ok(SealedBlock { head, bytes: bytes.to_vec() })
}

/// Where the blocks of a stage lie.
#[derive(Debug, Clone, Default)]
pub struct BlocksAll {
    /// Who holds parts: part `p` lies with `p` modulo their number; none for one that is not there.
    pub holders: Vec<Option<PeerAddr>>,
    /// Map items in order.
    pub items: Vec<BlockAt>,
}

/// A map item's accepted attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockAt {
    /// The item.
    pub item: u32,
    /// The attempt.
    pub serial: u64,
    /// Its result, which commits to its blocks.
    pub hash: [u8; 32],
    /// Who made them, where it is there.
    pub maker: Option<PeerAddr>,
}

/// Leave to hand over, or to ask for, blocks.
#[derive(Debug, Clone, Copy)]
pub struct UnderLease<'a> {
    /// The lease.
    pub lease: &'a [u8],
    /// Its permit.
    pub permit: &'a [u8],
    /// Who it was told with as holders of blocks.
    pub holders: &'a [Option<PeerAddr>],
}

impl Client {
    /// Hands blocks of a map item to who holds their parts; kept there when this returns.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn put_blocks(
        &self,
        holder: &PeerAddr,
        leave: UnderLease<'_>,
        item: u32,
        blocks: &[Arc<SealedBlock>],
    ) -> Result<(), ClientError> {
        for some in blocks.chunks(BLOCKS_PUT_MAX) {
            let mut stream = self.to_holder(holder).await?;
            let put = PutBlocks {
                lease: leave.lease.to_vec(),
                permit: leave.permit.to_vec(),
                item,
                holders: leave.holders.iter().flatten().map(|holder| holder.id).collect(),
                heads: some.iter().map(|block| block.head.clone()).collect(),
            };
            stream.write_frame(&wire::encode(&StreamOpen::PutBlocks(Box::new(put)))).await?;
            let sent = send(&mut stream, some).await;
            // Who refuses stops reading, and says why.
            let said = stream.read_frame(BLOCK_ANSWER_MAX).await;
            match (said, sent) {
                (Ok(frame), sent) => match answer(&frame)? {
                    BlockAnswer::Kept => sent?,
                    _ => return Err(ClientError::Unexpected("no word on blocks")),
                },
                (Err(_), Err(error)) | (Err(error), Ok(())) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Asks a holder for the blocks of a part; told one by one with the place of each in `of`. Those it lacks are left out.
    ///
    /// # Errors
    /// [`ClientError`]; what came before stands.
    pub async fn get_blocks(
        &self,
        holder: &PeerAddr,
        leave: UnderLease<'_>,
        (stage, part): (u8, u32),
        of: &[(u32, u64)],
        got: &mut (impl FnMut((u32, u64), SealedBlock) + Send),
    ) -> Result<(), ClientError> {
        let mut room = BLOCK_MAX;
        for some in of.chunks(BLOCKS_GET_MAX) {
            let mut stream = self.to_holder(holder).await?;
            let (lease, permit) = (leave.lease.to_vec(), leave.permit.to_vec());
            let get = GetBlocks { lease, permit, stage, part, of: some.to_vec() };
            stream.write_frame(&wire::encode(&StreamOpen::GetBlocks(Box::new(get)))).await?;
            for one in some {
                match answer(&stream.read_frame(BLOCK_ANSWER_MAX).await?)? {
                    BlockAnswer::Missing => {}
                    BlockAnswer::Block(head) if is_sound(&head) && head.size <= room => {
                        room -= head.size;
                        let mut bytes = Vec::new();
                        let mut left = usize::try_from(head.sealed).unwrap_or(usize::MAX);
                        while left > 0 {
                            // What is announced is not believed: memory grows with what comes.
                            let at = bytes.len();
                            bytes.resize(at + left.min(STEP), 0);
                            stream.read_exact(&mut bytes[at..]).await?;
                            left -= bytes.len() - at;
                        }
                        got(*one, SealedBlock { head, bytes });
                    }
                    _ => return Err(ClientError::Unexpected("no block")),
                }
            }
        }
        Ok(())
    }

    /// Where the blocks of a stage lie: who holds parts, and each map item's accepted attempt with its maker.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn job_blocks(&self, job: JobId, stage: u8) -> Result<BlocksAll, ClientError> {
        let (mut all, mut after) = (BlocksAll::default(), None);
        loop {
            let ask = JobItemsAsk { job, stage, after, limit: PAGE_MAX as u16 };
            let Reply::JobBlocks(page) = self.ask_again(Request::JobBlocks(ask)).await? else {
                return Err(ClientError::Unexpected("no word on where blocks lie"));
            };
            after = page.items.last().map(|item| item.item);
            let is_last = !page.more || page.items.is_empty();
            all.holders = page.holders;
            for item in page.items {
                let maker = page.makers.get(usize::from(item.maker)).cloned();
                all.items.push(BlockAt { item: item.item, serial: item.serial, hash: item.hash, maker });
            }
            if is_last {
                return Ok(all);
            }
        }
    }

    async fn to_holder(&self, holder: &PeerAddr) -> Result<net::Stream, ClientError> {
        self.endpoint.learn(holder.clone());
        let link = self.endpoint.connect(holder.id, DIAL_TIMEOUT).await?;
        Ok(link.open().await?)
    }
}

/// Whether a head's figures fit together: sealed, its records take no more than unpacked ones do.
fn is_sound(head: &BlockHead) -> bool {
    let most = seal::sealed_len(head.size.saturating_add(1)).saturating_add(Header::LEN as u64);
    head.path.len() <= BLOCK_PATH_MAX && head.size <= BLOCK_MAX && head.sealed <= most
}

async fn send(stream: &mut net::Stream, blocks: &[Arc<SealedBlock>]) -> Result<(), net::NetError> {
    for step in blocks.iter().flat_map(|block| block.bytes.chunks(STEP)) {
        stream.write_all(step).await?;
    }
    stream.finish()
}

fn answer(frame: &[u8]) -> Result<BlockAnswer, ClientError> {
    match wire::decode(frame, BLOCK_ANSWER_MAX).map_err(|_| ClientError::Unexpected("no answer of who holds blocks"))? {
        BlockAnswer::Refused(refusal) => Err(ClientError::Refused(refusal)),
        answer => Ok(answer),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const JOB: JobId = JobId([7; 16]);
    const SECRET: [u8; 32] = [1; 32];
    const CHECK: [u8; 32] = [2; 32];

    fn made() -> (Vec<SealedBlock>, [u8; 32]) {
        let noise: Vec<u8> = blake3::hash(b"noise").as_bytes().to_vec();
        let parts = vec![b"a\t1\n".repeat(50_000), Vec::new(), noise, b"b\n".to_vec()];
        seal_blocks(&JOB, &SECRET, &CHECK, parts).unwrap()
    }

    fn merges(part: u32, key: &[u8; 32]) -> Merges<'_> {
        Merges { job: &JOB, part, parts: 4, key, check_key: &CHECK }
    }

    #[test]
    fn each_part_opens_with_its_key_and_is_what_was_committed() {
        let (blocks, result) = made();
        assert!(blocks[0].bytes.len() < 4_000, "what repeats is packed: {}", blocks[0].bytes.len());
        assert!(blocks[1].bytes.is_empty());
        for (part, block) in (0..).zip(&blocks) {
            let key = part_key(&SECRET, part);
            let records = merges(part, &key).open(block, &result).unwrap();
            assert_eq!(records.len() as u64, block.head.size);
            assert_eq!(block_of_object(&block_object(block)).unwrap(), *block);
            // (A)
            assert!(merges(part, &key).open(block, &[9; 32]).is_err());
            assert!(merges((part + 1) % 4, &part_key(&SECRET, (part + 1) % 4)).open(block, &result).is_err());
            let mut longer = block.clone();
            longer.head.size += 1;
            assert!(merges(part, &key).open(&longer, &result).is_err());
            if !block.bytes.is_empty() {
                assert!(merges(part, &part_key(&SECRET, part + 1)).open(block, &result).is_err());
                let mut changed = block.clone();
                *changed.bytes.last_mut().unwrap() ^= 1;
                assert!(merges(part, &key).open(&changed, &result).is_err());
            }
        }
    }

    #[test]
    fn nothing_is_unpacked_beyond_what_its_bytes_can_hold() {
        let (blocks, _) = made();
        let key = part_key(&SECRET, 0);
        let error = merges(0, &key).unsealed(BLOCK_MAX, &blocks[0].bytes).unwrap_err();
        assert!(error.to_string().contains("none"), "(B) {error}");
    }

    #[test]
    fn bytes_that_are_no_block_are_refused() {
        for bytes in [&b""[..], &[9, 0, 0, 0], &[1, 0, 0, 0, 1], &[0xff; 40]] {
            assert!(block_of_object(bytes).is_err());
        }
    }
}
