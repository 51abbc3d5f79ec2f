//! A door to a service: open, or shut (connections are cut, new ones refused). The way through an open one may be slow,
//! narrow or dead, a gateway may answer in the service's place, connections may be reset, and a trap cuts one when certain
//! bytes pass.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

const CHUNK: usize = 16 * 1024;

/// What the way through the door is like, for connections that stand too.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    Clear,
    /// So much later, in each direction.
    Late(Duration),
    /// So many bytes a second, in each direction.
    Narrow(usize),
    /// Half open: questions arrive, answers are lost.
    Deaf,
    /// A black hole: connections stand, nothing passes.
    Frozen,
    /// A gateway that has lost its service, and answers every question with this HTTP status.
    Gateway(u16),
}

impl Way {
    /// What was on its way is lost, so the end of it ends the connections.
    fn loses(self) -> bool {
        matches!(self, Self::Deaf | Self::Frozen)
    }
}

/// Where a trap cuts: the service has not heard the question, or it has and nobody hears the answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cut {
    Before,
    After,
}

/// The bytes that spring it, and where it cuts.
type Trap = (&'static [u8], Cut);

#[derive(Clone)]
struct Weather {
    way: watch::Sender<Way>,
    resets: watch::Sender<()>,
    trap: Arc<Mutex<Option<Trap>>>,
}

pub struct Door {
    service: String,
    port: u16,
    weather: Weather,
    /// Who only has the port refuses connections, and nobody else can take it meanwhile.
    shut: Option<TcpSocket>,
    open: Option<JoinSet<()>>,
}

impl Door {
    /// In front of a service at `host:port`.
    pub fn shut(service: &str) -> Self {
        Self::shut_at(0, service)
    }

    /// At a port of its own, which only one test has at a time.
    pub fn shut_at(port: u16, service: &str) -> Self {
        let socket = bound(port);
        let port = socket.local_addr().unwrap().port();
        let weather =
            Weather { way: watch::Sender::new(Way::Clear), resets: watch::Sender::new(()), trap: Arc::default() };
        Self { service: service.to_owned(), port, weather, shut: Some(socket), open: None }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn open(&mut self) {
        let Some(socket) = self.shut.take() else { return };
        let listener = socket.listen(1024).unwrap();
        let (service, weather) = (self.service.clone(), self.weather.clone());
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            // Dropping the set cuts all of them at once.
            let mut connections = JoinSet::new();
            while let Ok((near, _)) = listener.accept().await {
                connections.spawn(pass(near, service.clone(), weather.clone()));
            }
        });
        self.open = Some(tasks);
    }

    pub async fn close(&mut self) {
        if let Some(mut tasks) = self.open.take() {
            tasks.shutdown().await;
            self.shut = Some(bound(self.port));
        }
    }

    pub fn set(&self, way: Way) {
        self.weather.way.send_replace(way);
    }

    pub fn freeze(&self) {
        self.set(Way::Frozen);
    }

    pub fn thaw(&self) {
        self.set(Way::Clear);
    }

    /// Every connection that stands ends with a RST; new ones pass.
    pub fn reset(&self) {
        self.weather.resets.send_replace(());
    }

    /// The next connection in which these bytes come from the near side is cut there.
    pub fn trap(&self, bytes: &'static [u8], cut: Cut) {
        *self.weather.trap.lock().unwrap() = Some((bytes, cut));
    }

    /// A trap that has cut a connection is gone.
    pub fn is_trapped(&self) -> bool {
        self.weather.trap.lock().unwrap().is_some()
    }
}

fn bound(port: u16) -> TcpSocket {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind(SocketAddr::from(([127, 0, 0, 1], port))).unwrap();
    socket
}

async fn pass(mut near: TcpStream, service: String, weather: Weather) {
    let way = *weather.way.borrow();
    if let Way::Gateway(status) = way {
        return drop(answer(near, status).await);
    }
    // A service that is away itself is a door that is shut.
    let Ok(mut far) = TcpStream::connect(service).await else { return };
    // As the services do: what comes later than it must is the way's doing, not the door's.
    drop((near.set_nodelay(true), far.set_nodelay(true)));
    let mut resets = weather.resets.subscribe();
    let is_reset = {
        let ((near_in, near_out), (far_in, far_out)) = (near.split(), far.split());
        tokio::select! {
            () = questions(near_in, far_out, &weather) => false,
            () = answers(far_in, near_out, &weather) => false,
            () = until_lost(&weather) => false,
            () = until_at_gateway(&weather) => false,
            _ = resets.changed() => true,
        }
    };
    if is_reset {
        drop((near.set_zero_linger(), far.set_zero_linger()));
    }
}

/// What is lost is never made good: the connection ends with the way that lost it.
async fn until_lost(weather: &Weather) {
    let mut way = weather.way.subscribe();
    drop(way.wait_for(|way| way.loses()).await);
    drop(way.wait_for(|way| !way.loses()).await);
}

async fn until_at_gateway(weather: &Weather) {
    drop(weather.way.subscribe().wait_for(|way| matches!(way, Way::Gateway(_))).await);
}

async fn answer(mut near: TcpStream, status: u16) -> std::io::Result<()> {
    let mut question = Vec::with_capacity(CHUNK);
    if near.read_buf(&mut question).await? == 0 {
        return Ok(());
    }
    let answer = format!("HTTP/1.1 {status} Away\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
    near.write_all(answer.as_bytes()).await
}

async fn questions(mut near: ReadHalf<'_>, mut far: WriteHalf<'_>, weather: &Weather) {
    let mut buffer = [0; CHUNK];
    while let Some(read) = read_through(&mut near, &mut buffer, weather).await {
        let cut = weather.sprung(&buffer[..read]);
        if cut == Some(Cut::Before) || far.write_all(&buffer[..read]).await.is_err() || cut.is_some() {
            return;
        }
    }
}

async fn answers(mut far: ReadHalf<'_>, mut near: WriteHalf<'_>, weather: &Weather) {
    let mut buffer = [0; CHUNK];
    while let Some(read) = read_through(&mut far, &mut buffer, weather).await {
        let is_deaf = *weather.way.borrow() == Way::Deaf;
        if !is_deaf && near.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}

/// The next bytes, when the way lets them through.
async fn read_through(from: &mut ReadHalf<'_>, buffer: &mut [u8], weather: &Weather) -> Option<usize> {
    let most = match *weather.way.borrow() {
        Way::Narrow(bytes) => (bytes / 20).clamp(1, CHUNK),
        _ => CHUNK,
    };
    let read = from.read(&mut buffer[..most]).await.ok().filter(|read| *read > 0)?;
    let way = *weather.way.borrow();
    match way {
        Way::Late(by) => tokio::time::sleep(by).await,
        Way::Narrow(bytes) => tokio::time::sleep(Duration::from_secs(1).mul_f64(read as f64 / bytes as f64)).await,
        Way::Frozen => drop(weather.way.subscribe().wait_for(|way| *way != Way::Frozen).await),
        Way::Clear | Way::Deaf | Way::Gateway(_) => {}
    }
    Some(read)
}

impl Weather {
    /// The trap, if these bytes spring it.
    fn sprung(&self, bytes: &[u8]) -> Option<Cut> {
        let mut trap = self.trap.lock().unwrap();
        let (_, cut) = trap.take_if(|(wanted, _)| bytes.windows(wanted.len()).any(|window| window == *wanted))?;
        Some(cut)
    }
}
