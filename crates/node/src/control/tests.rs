use super::*;
use proptest::prelude::*;
use std::sync::atomic::{AtomicUsize, Ordering};
use tempfile::TempDir;
use wire::local::PauseUntil;

/// Answers every ask with a refusal that counts it; `Stop` takes long, `Up` is a bug.
#[derive(Default)]
struct Counter(AtomicUsize);

impl Handler for Counter {
    async fn handle(&self, ask: LocalAsk) -> LocalAnswer {
        let n = self.0.fetch_add(1, Ordering::SeqCst) + 1;
        match ask {
            LocalAsk::Stop => tokio::time::sleep(Duration::from_millis(200)).await,
            LocalAsk::Up => panic!("a bug in a handler"),
            _ => {}
        }
        refused(errors::ErrorId(u16::try_from(n).unwrap_or(u16::MAX)), [])
    }
}

fn place() -> (TempDir, PathBuf) {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("run/agent.sock");
    (dir, path)
}

/// Sends bytes, reads until the server closes; none when it closed without a word or cut the line off.
async fn talk(path: &Path, bytes: &[u8]) -> Option<LocalAnswer> {
    let mut stream = UnixStream::connect(path).await.unwrap();
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    serde_json::from_slice(&answer).ok()
}

fn id(answer: Option<LocalAnswer>) -> u16 {
    match answer {
        Some(LocalAnswer::Refused { id, .. }) => id,
        other => panic!("{other:?}"),
    }
}

const STATUS: &[u8] = b"{\"ask\":\"status\"}\n";

#[tokio::test]
async fn one_line_each_way_and_a_clean_end() {
    let (dir, path) = place();
    let server = ControlServer::start(&path, Arc::new(Counter::default())).await.unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
    assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700), "(A)");
    assert_eq!(id(talk(&path, STATUS).await), 1);
    let pause = serde_json::to_vec(&LocalAsk::Pause { until: PauseUntil::Idle }).unwrap();
    assert_eq!(id(talk(&path, &[&pause[..], b"\n"].concat()).await), 2);
    server.stop().await;
    assert!(fs::read_dir(dir.path().join("run")).unwrap().next().is_none(), "(D)");
}

#[tokio::test]
async fn an_answer_under_way_is_given_before_the_end() {
    let (_dir, path) = place();
    let server = ControlServer::start(&path, Arc::new(Counter::default())).await.unwrap();
    let counter = tokio::spawn({
        let path = path.clone();
        async move { talk(&path, b"{\"ask\":\"stop\"}\n").await }
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    server.stop().await;
    assert_eq!(id(counter.await.unwrap()), 1);
}

#[tokio::test]
async fn nonsense_and_endless_lines_harm_nobody() {
    let (_dir, path) = place();
    let server = ControlServer::start(&path, Arc::new(Counter::default())).await.unwrap();
    for nonsense in
        [&b"\n"[..], b"hello\n", b"{\"ask\":\"fly\"}\n", b"\xff\xfe\n", b"{\"ask\":\"pause\"}\n", b"[[[[[[\n"]
    {
        assert_eq!(id(talk(&path, nonsense).await), errors::BAD_VALUE.0);
    }
    let endless = vec![b' '; LOCAL_LINE_MAX + 100];
    let answer = talk(&path, &endless).await;
    assert!(answer.is_none() || id(answer) == errors::TOO_LARGE.0);
    assert!(talk(&path, b"{\"ask\":\"up\"}\n").await.is_none(), "a bug ends its own connection only");
    assert_eq!(id(talk(&path, STATUS).await), 2);
    server.stop().await;
}

#[tokio::test(start_paused = true)]
async fn silent_clients_keep_their_seats_only_for_a_while() {
    let (_dir, path) = place();
    let server = ControlServer::start(&path, Arc::new(Counter::default())).await.unwrap();
    let mut silent = Vec::new();
    for _ in 0..CONNECTIONS_MAX {
        silent.push(UnixStream::connect(&path).await.unwrap());
    }
    let began = tokio::time::Instant::now();
    assert_eq!(id(talk(&path, STATUS).await), 1);
    assert!(began.elapsed() >= ASK_WAIT, "(C): every seat was taken");
    assert!(began.elapsed() <= ASK_WAIT * 2);
    server.stop().await;
}

#[tokio::test]
async fn a_dead_socket_is_replaced_a_living_one_never() {
    let (_dir, path) = place();
    let first = ControlServer::start(&path, Arc::new(Counter::default())).await.unwrap();
    let second = ControlServer::start(&path, Arc::new(Counter::default())).await;
    assert!(matches!(second, Err(ControlError::AlreadyRunning(_))), "(B)");
    assert_eq!(id(talk(&path, STATUS).await), 1, "the first still answers");
    first.stop().await;
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(path.exists(), "left behind, as after a kill");
    let third = ControlServer::start(&path, Arc::new(Counter::default())).await.unwrap();
    assert_eq!(id(talk(&path, STATUS).await), 1);
    // Somebody else's socket in our place is not ours to remove.
    fs::remove_file(&path).unwrap();
    fs::write(&path, "mine").unwrap();
    third.stop().await;
    assert!(path.exists(), "(D)");
    let on_a_file = ControlServer::start(&path, Arc::new(Counter::default())).await;
    assert!(matches!(on_a_file, Err(ControlError::NotASocket(_))), "(B)");
}

#[tokio::test]
async fn a_folder_that_others_write_and_a_path_too_long_are_refused() {
    let (dir, path) = place();
    let folder = path.parent().unwrap();
    fs::create_dir(folder).unwrap();
    fs::set_permissions(folder, Permissions::from_mode(0o777)).unwrap();
    let open = ControlServer::start(&path, Arc::new(Counter::default())).await;
    assert!(matches!(open, Err(ControlError::FolderOpen(_))), "(A)");
    let long = dir.path().join("x".repeat(PATH_MAX));
    let long = ControlServer::start(&long, Arc::new(Counter::default())).await;
    assert!(matches!(long, Err(ControlError::PathTooLong(_))));
}

proptest! {
    #[test]
    fn any_line_is_an_ask_or_a_refusal(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        if let Err(LocalAnswer::Refused { args, .. }) = ask_of(&bytes) {
            prop_assert!(args["value"].chars().count() <= 80);
        }
    }
}
