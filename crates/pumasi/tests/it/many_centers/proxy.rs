//! Two plain proxies that know nothing of what they carry: datagrams, and connections, to one of several machines that live.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinHandle;

/// Longest datagram.
const DATAGRAM_MAX: usize = 65_536;

/// Machines that are there, by number.
#[derive(Clone, Default)]
struct Lives(Arc<Mutex<Vec<Option<SocketAddr>>>>);

impl Lives {
    fn set(&self, n: usize, at: Option<SocketAddr>) {
        let mut lives = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lives.len() <= n {
            lives.resize(n + 1, None);
        }
        lives[n] = at;
    }

    fn all(&self) -> Vec<SocketAddr> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().flatten().copied().collect()
    }
}

/// Hands datagrams of each sender to one machine, for as long as that lives; then to another.
pub struct Door {
    lives: Lives,
    task: JoinHandle<()>,
}

impl Door {
    pub async fn new(socket: std::net::UdpSocket) -> Self {
        socket.set_nonblocking(true).expect("a socket can be set so");
        let socket = Arc::new(UdpSocket::from_std(socket).expect("a socket can be taken over"));
        let lives = Lives::default();
        let task = tokio::spawn(carry(socket, lives.clone()));
        Self { lives, task }
    }

    /// Machine `n` is there, or it is not.
    pub fn set(&self, n: usize, at: Option<SocketAddr>) {
        self.lives.set(n, at);
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One sender's way.
struct Way {
    to: SocketAddr,
    socket: Arc<UdpSocket>,
    back: JoinHandle<()>,
}

impl Drop for Way {
    fn drop(&mut self) {
        self.back.abort();
    }
}

async fn carry(door: Arc<UdpSocket>, lives: Lives) {
    let (mut ways, mut turn): (HashMap<SocketAddr, Way>, usize) = (HashMap::new(), 0);
    let mut bytes = vec![0; DATAGRAM_MAX];
    loop {
        let Ok((len, from)) = door.recv_from(&mut bytes).await else { continue };
        let live = lives.all();
        if ways.get(&from).is_none_or(|way| !live.contains(&way.to)) {
            if live.is_empty() {
                continue;
            }
            turn += 1;
            ways.insert(from, way(&door, from, live[turn % live.len()]).await);
        }
        let _ = ways[&from].socket.send(&bytes[..len]).await;
    }
}

async fn way(door: &Arc<UdpSocket>, from: SocketAddr, to: SocketAddr) -> Way {
    let socket = Arc::new(UdpSocket::bind("127.0.0.1:0").await.expect("a port is free"));
    socket.connect(to).await.expect("loopback is there");
    let (door, answers) = (Arc::clone(door), Arc::clone(&socket));
    let back = tokio::spawn(async move {
        let mut bytes = vec![0; DATAGRAM_MAX];
        loop {
            // Nobody listens there any more: the next datagram goes another way.
            let Ok(len) = answers.recv(&mut bytes).await else { return };
            let _ = door.send_to(&bytes[..len], from).await;
        }
    });
    Way { to, socket, back }
}

/// Carries each connection to one machine of those that live, in turn, and can cut all of them.
pub struct Wire {
    port: u16,
    lives: Lives,
    open: Arc<Mutex<Vec<JoinHandle<()>>>>,
    task: JoinHandle<()>,
}

impl Wire {
    pub async fn to(at: SocketAddr) -> Self {
        let wire = Self::new().await;
        wire.set(0, Some(at));
        wire
    }

    pub async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let port = listener.local_addr().expect("it is bound").port();
        let open: Arc<Mutex<Vec<JoinHandle<()>>>> = Arc::default();
        let (opened, lives, mut turn) = (Arc::clone(&open), Lives::default(), 0usize);
        let there = lives.clone();
        let task = tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                turn += 1;
                let live = there.all();
                let Some(to) = live.get(turn % live.len().max(1)).copied() else { continue };
                let carried = tokio::spawn(async move {
                    if let Ok(mut far) = TcpStream::connect(to).await {
                        let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
                    }
                });
                let mut open = opened.lock().unwrap_or_else(PoisonError::into_inner);
                open.retain(|carried| !carried.is_finished());
                open.push(carried);
            }
        });
        Self { port, lives, open, task }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Machine `n` is there, or it is not.
    pub fn set(&self, n: usize, at: Option<SocketAddr>) {
        self.lives.set(n, at);
    }

    /// Ends every connection in the midst of what it carries.
    pub fn cut(&self) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).drain(..).for_each(|carried| carried.abort());
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.task.abort();
        self.cut();
    }
}
