//! The tree as the protocol's library asks for it. What the library has no word for is noted with the request, whose answer tells it
//! in full.

use super::error::Fault;
use super::place::Place;
use super::tree::{Node, Tree};
use super::visit::Visit;
use super::write::{WriteAsk, Writing};
use bytes::{Buf, Bytes};
use dav_server::davpath::DavPath;
use dav_server::fs::{
    DavDirEntry, DavFile, DavMetaData, DavProp, FsError, FsFuture, FsResult, FsStream, GuardedFileSystem, OpenOptions,
    ReadDirMeta,
};
use futures_util::{StreamExt, stream};
use hyper::StatusCode;
use model::errors;
use std::future::{Future, ready};
use std::io::SeekFrom;
use std::pin::Pin;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The library's word for a fault, which is noted unless it only says that nothing is there.
fn word(visit: &Visit, fault: Fault) -> FsError {
    match fault.status {
        StatusCode::NOT_FOUND => return FsError::NotFound,
        StatusCode::METHOD_NOT_ALLOWED => return FsError::Exists,
        // The folder around it is not there: the library knows what that means for each method.
        StatusCode::CONFLICT if fault.id == errors::OBJECT_UNKNOWN => return FsError::NotFound,
        StatusCode::CONFLICT if fault.id == errors::BUCKET_NOT_EMPTY && !visit.was_full() => return FsError::Exists,
        _ => {}
    }
    let word = match fault.status {
        StatusCode::FORBIDDEN => FsError::Forbidden,
        StatusCode::INSUFFICIENT_STORAGE => FsError::InsufficientStorage,
        StatusCode::PAYLOAD_TOO_LARGE => FsError::TooLarge,
        StatusCode::URI_TOO_LONG => FsError::PathTooLong,
        _ => FsError::GeneralFailure,
    };
    visit.fail(fault);
    word
}

/// The place of a path.
fn place(visit: &Visit, path: &DavPath) -> FsResult<Place> {
    Place::of_plain(path.as_bytes()).map_err(|fault| word(visit, fault))
}

impl DavMetaData for Node {
    fn len(&self) -> u64 {
        self.size()
    }
    fn modified(&self) -> FsResult<SystemTime> {
        let at = self.at().ok_or(FsError::NotImplemented)?;
        Ok(UNIX_EPOCH + Duration::from_millis(at.as_ms()))
    }
    fn is_dir(&self) -> bool {
        self.is_folder()
    }
    fn etag(&self) -> Option<String> {
        Self::etag(self)
    }
}

/// A line of a folder.
struct Line {
    name: String,
    node: Node,
}

impl DavDirEntry for Line {
    fn name(&self) -> Vec<u8> {
        self.name.clone().into_bytes()
    }
    fn metadata(&'_ self) -> FsFuture<'_, Box<dyn DavMetaData>> {
        Box::pin(ready(Ok(Box::new(self.node.clone()) as Box<dyn DavMetaData>)))
    }
}

/// A file that was opened to be written, or made.
#[derive(Debug)]
struct Open {
    writing: Option<Writing>,
    place: Place,
    tree: Held,
}

/// What an open file asks.
struct Held(Tree, Visit);

impl std::fmt::Debug for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Held")
    }
}

impl Open {
    async fn push(&mut self, bytes: Bytes) -> FsResult<()> {
        let Self { writing, tree: Held(_, visit), .. } = self;
        let writing = writing.as_mut().ok_or(FsError::NotImplemented)?;
        writing.push(bytes).await.map_err(|fault| word(visit, fault))
    }
}

impl DavFile for Open {
    fn metadata(&'_ mut self) -> FsFuture<'_, Box<dyn DavMetaData>> {
        Box::pin(async move {
            let Held(tree, visit) = &self.tree;
            let node = tree.look(visit, &self.place).await.map_err(|fault| word(visit, fault))?;
            Ok(Box::new(node) as Box<dyn DavMetaData>)
        })
    }
    fn write_buf(&'_ mut self, mut buf: Box<dyn Buf + Send>) -> FsFuture<'_, ()> {
        Box::pin(async move {
            let bytes = buf.copy_to_bytes(buf.remaining());
            self.push(bytes).await
        })
    }
    fn write_bytes(&'_ mut self, bytes: Bytes) -> FsFuture<'_, ()> {
        Box::pin(self.push(bytes))
    }
    fn read_bytes(&'_ mut self, _: usize) -> FsFuture<'_, Bytes> {
        Box::pin(ready(Err(FsError::NotImplemented)))
    }
    fn seek(&'_ mut self, _: SeekFrom) -> FsFuture<'_, u64> {
        Box::pin(ready(Err(FsError::NotImplemented)))
    }
    fn flush(&'_ mut self) -> FsFuture<'_, ()> {
        Box::pin(async move {
            let Self { writing, tree: Held(_, visit), .. } = self;
            let done = match writing {
                Some(writing) => writing.finish().await,
                None => Ok(()),
            };
            visit.changed();
            done.map_err(|fault| word(visit, fault))
        })
    }
}

/// Runs something of the tree; its fault in the library's word.
fn run<'a, T: Send + 'a>(
    visit: &'a Visit,
    doing: impl Future<Output = Result<T, Fault>> + Send + 'a,
) -> FsFuture<'a, T> {
    Box::pin(async move { doing.await.map_err(|fault| word(visit, fault)) })
}

/// The same of a place.
fn run_at<'a, T, F>(visit: &'a Visit, path: &'a DavPath, doing: impl FnOnce(Place) -> F + Send + 'a) -> FsFuture<'a, T>
where
    T: Send + 'a,
    F: Future<Output = Result<T, Fault>> + Send + 'a,
{
    match place(visit, path) {
        Ok(place) => run(visit, doing(place)),
        Err(word) => Box::pin(ready(Err(word))),
    }
}

impl GuardedFileSystem<Visit> for Tree {
    fn open<'a>(&'a self, path: &'a DavPath, how: OpenOptions, visit: &'a Visit) -> FsFuture<'a, Box<dyn DavFile>> {
        run_at(visit, path, move |place| async move {
            if !how.write || how.append {
                return Err(Fault::new(
                    StatusCode::NOT_IMPLEMENTED,
                    errors::NOT_IN_BUILD,
                    "this is not done to a file",
                ));
            }
            let writing = match how.truncate {
                true => {
                    let ask = WriteAsk { is_new: how.create_new, is_old: !how.create, size: how.size };
                    Some(self.write(visit, &place, ask).await?)
                }
                // A name that is locked before anything is there.
                false => {
                    self.touch(visit, &place).await?;
                    None
                }
            };
            Ok(Box::new(Open { writing, place, tree: Held(self.clone(), visit.clone()) }) as Box<dyn DavFile>)
        })
    }

    fn read_dir<'a>(
        &'a self,
        path: &'a DavPath,
        _: ReadDirMeta,
        visit: &'a Visit,
    ) -> FsFuture<'a, FsStream<Box<dyn DavDirEntry>>> {
        run_at(visit, path, move |place| async move {
            let kids = self.kids(visit, &place).await?;
            let lines = kids.into_iter().map(|(name, node)| Ok(Box::new(Line { name, node }) as Box<dyn DavDirEntry>));
            Ok(stream::iter(lines.collect::<Vec<_>>()).boxed() as FsStream<Box<dyn DavDirEntry>>)
        })
    }

    fn metadata<'a>(&'a self, path: &'a DavPath, visit: &'a Visit) -> FsFuture<'a, Box<dyn DavMetaData>> {
        run_at(visit, path, move |place| async move {
            Ok(Box::new(self.look(visit, &place).await?) as Box<dyn DavMetaData>)
        })
    }

    fn create_dir<'a>(&'a self, path: &'a DavPath, visit: &'a Visit) -> FsFuture<'a, ()> {
        run_at(visit, path, move |place| async move {
            if let (Place::Name { .. }, Some(from)) = (&place, visit.source_of(&place))
                && matches!(self.look(visit, &from).await?, Node::Folder(Some(_)))
                && self.look(visit, &place).await.is_err_and(|fault| fault.is_unknown())
            {
                visit.check(&place, true)?;
                self.copy_marker(visit, &from, &place).await?;
                visit.changed();
                return Ok(());
            }
            self.make_folder(visit, &place).await
        })
    }

    fn remove_dir<'a>(&'a self, path: &'a DavPath, visit: &'a Visit) -> FsFuture<'a, ()> {
        run_at(visit, path, move |place| async move { self.remove_folder(visit, &place).await })
    }

    fn remove_file<'a>(&'a self, path: &'a DavPath, visit: &'a Visit) -> FsFuture<'a, ()> {
        run_at(visit, path, move |place| async move { self.remove_file(visit, &place).await })
    }

    fn rename<'a>(&'a self, from: &'a DavPath, to: &'a DavPath, visit: &'a Visit) -> FsFuture<'a, ()> {
        run_at(
            visit,
            from,
            move |from| async move { self.rename(visit, &from, &Place::of_plain(to.as_bytes())?).await },
        )
    }

    fn copy<'a>(&'a self, from: &'a DavPath, to: &'a DavPath, visit: &'a Visit) -> FsFuture<'a, ()> {
        run_at(visit, from, move |from| async move { self.copy(visit, &from, &Place::of_plain(to.as_bytes())?).await })
    }

    fn have_props<'a>(&'a self, _: &'a DavPath, _: &'a Visit) -> Pin<Box<dyn Future<Output = bool> + Send + 'a>> {
        Box::pin(ready(true))
    }

    fn patch_props<'a>(
        &'a self,
        path: &'a DavPath,
        changes: Vec<(bool, DavProp)>,
        visit: &'a Visit,
    ) -> FsFuture<'a, Vec<(StatusCode, DavProp)>> {
        run_at(visit, path, move |place| async move { self.patch(visit, &place, changes).await })
    }
}
