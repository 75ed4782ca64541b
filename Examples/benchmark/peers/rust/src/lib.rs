//! What the token server and the relay have in common: where they listen, on how many threads, and how they end.

use std::convert::Infallible;
use std::error::Error;
use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;
use std::{env, io, process, thread};

use hyper::body::HttpBody;
use hyper::server::conn::AddrIncoming;
use hyper::service::{make_service_fn, service_fn};
use hyper::{Body, Request, Response, Server};
use tokio::net::{TcpListener, TcpSocket};
use tokio::signal::unix::{signal, SignalKind};
use tokio::sync::oneshot;

/// Connections that may wait to be accepted; the kernel lowers it to `net.core.somaxconn`.
const BACKLOG: u32 = 8192;
/// What one stream may have waiting for its client before it is asked for no more.
const SEND_BUFFER_BYTES: usize = 64 << 10;
/// How long streams may go on after SIGTERM. The endless ones of a benchmark have to be cut off some time.
const DRAIN: Duration = Duration::from_secs(1);

pub type BoxError = Box<dyn Error + Send + Sync>;

/// Serves HTTP/2 in the clear on `LISTEN_PORT` until SIGTERM or SIGINT.
///
/// One thread, or as many as `WORKERS` says, each with a runtime and a listening socket of its own, among which the kernel
/// spreads the connections: nothing is shared, so nothing contends. `make_handler` is called once on each.
pub fn run<H, F, B>(make_handler: impl Fn() -> H + Clone + Send + 'static)
where
    H: Fn(Request<Body>) -> F + Clone + Send + 'static,
    F: Future<Output = Response<B>> + Send + 'static,
    B: HttpBody + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    let port = port("LISTEN_PORT");
    let workers: usize = match env::var_os("WORKERS") {
        Some(_) => number("WORKERS", "a number above 0", |count| *count > 0),
        None => 1,
    };
    let work = move || -> Result<(), BoxError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(serve(port, workers > 1, make_handler()))
    };
    let threads: Vec<_> = (0..workers)
        .map(|_| {
            let work = work.clone();
            thread::spawn(move || work().unwrap_or_else(|error| fail(&error.to_string())))
        })
        .collect();
    for thread in threads {
        thread.join().expect("a panic ends the process");
    }
}

/// The port that the environment variable `name` gives.
pub fn port(name: &str) -> u16 {
    number(name, "a port", |_| true)
}

fn number<N: FromStr>(name: &str, what: &str, is_valid: impl Fn(&N) -> bool) -> N {
    let text = env::var(name).unwrap_or_default();
    match text.parse() {
        Ok(number) if is_valid(&number) => number,
        _ => fail(&format!("{name} is `{text}`: it must be {what}")),
    }
}

/// Says what went wrong and ends the process.
fn fail(message: &str) -> ! {
    eprintln!("{message}");
    process::exit(1)
}

async fn serve<H, F, B>(port: u16, is_shared: bool, handler: H) -> Result<(), BoxError>
where
    H: Fn(Request<Body>) -> F + Clone + Send + 'static,
    F: Future<Output = Response<B>> + Send + 'static,
    B: HttpBody + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let listener = listen(address, is_shared).map_err(|error| format!("cannot listen on {address}: {error}"))?;
    println!("listening on http://{}", listener.local_addr()?);
    let mut incoming = AddrIncoming::from_listener(listener)?;
    incoming.set_nodelay(true);

    let make_service = make_service_fn(move |_| {
        let handler = handler.clone();
        let service = service_fn(move |request| {
            let response = handler(request);
            async { Ok::<_, Infallible>(response.await) }
        });
        async { Ok::<_, Infallible>(service) }
    });
    let (stop, stopped) = oneshot::channel::<()>();
    let server = Server::builder(incoming)
        .http2_only(true)
        .http2_max_send_buf_size(SEND_BUFFER_BYTES)
        .serve(make_service)
        .with_graceful_shutdown(async { drop(stopped.await) });
    tokio::pin!(server);

    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        result = &mut server => return Ok(result?),
        _ = terminate.recv() => (),
        _ = interrupt.recv() => (),
    }
    drop(stop);
    // What is left after the time to drain falls with the runtime.
    tokio::time::timeout(DRAIN, server).await.unwrap_or(Ok(()))?;
    Ok(())
}

fn listen(address: SocketAddr, is_shared: bool) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.set_reuseport(is_shared)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}
