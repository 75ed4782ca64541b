//! A streaming relay: HTTP/2 in, HTTP/2 out to the engine over few shared connections, bytes as they come.
//!
//! Backpressure is hyper's: a body is asked for its next chunk when the other side has room for it, and a body that is dropped
//! resets its stream, so that a client that leaves ends its stream on the engine as well.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use hyper::body::{Bytes, HttpBody, SizeHint};
use hyper::client::HttpConnector;
use hyper::header::{self, HeaderName};
use hyper::http::uri::{Authority, Scheme};
use hyper::{Body, Client, HeaderMap, Request, Response, StatusCode};

/// Streams on one upstream connection. An engine may allow more and hyper does not tell; fewer than 100 it should not.
const STREAMS_MAX: usize = 100;
/// What one stream may send ahead of its client.
const STREAM_WINDOW_BYTES: u32 = 64 << 10;

fn main() {
    let engine: Authority = format!("127.0.0.1:{}", tidegate_peers::port("ENGINE_PORT"))
        .parse()
        .expect("an address and a port are an authority");
    tidegate_peers::run(move || {
        let upstream = Arc::new(Upstream { engine: engine.clone(), clients: Mutex::default() });
        move |request| upstream.clone().relay(request)
    })
}

type EngineClient = Arc<Client<HttpConnector, RelayedBody>>;

/// The engine, and the connections to it.
struct Upstream {
    engine: Authority,
    /// A client of hyper's keeps one HTTP/2 connection to a host and opens it again when it is lost. Each stream holds a
    /// reference to its client, which counts the streams.
    clients: Mutex<Vec<EngineClient>>,
}

impl Upstream {
    async fn relay(self: Arc<Self>, mut request: Request<Body>) -> Response<RelayedBody> {
        remove_hop_by_hop(request.headers_mut());
        let mut target = std::mem::take(request.uri_mut()).into_parts();
        target.scheme = Some(Scheme::HTTP);
        target.authority = Some(self.engine.clone());
        let client = self.client();
        *request.uri_mut() = match target.try_into() {
            Ok(uri) => uri,
            Err(error) => return refuse(StatusCode::BAD_REQUEST, &error),
        };
        match client.request(request.map(RelayedBody::new)).await {
            Ok(mut response) => {
                remove_hop_by_hop(response.headers_mut());
                response.map(|body| RelayedBody { _client: Some(client), ..RelayedBody::new(body) })
            }
            Err(error) => refuse(StatusCode::BAD_GATEWAY, &error),
        }
    }

    /// The first client with room for another stream, so that as few connections as possible are in use.
    fn client(&self) -> EngineClient {
        let mut clients = self.clients.lock().expect("nothing panics while it holds the lock");
        // One reference is the pool's.
        if let Some(client) = clients.iter().find(|client| Arc::strong_count(client) <= STREAMS_MAX) {
            return client.clone();
        }
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client = Client::builder()
            .http2_only(true)
            .http2_initial_stream_window_size(STREAM_WINDOW_BYTES)
            // Slow clients hold back their own streams, never the connection that they share with others.
            .http2_initial_connection_window_size(STREAM_WINDOW_BYTES * STREAMS_MAX as u32)
            .build(connector);
        clients.push(Arc::new(client));
        clients[clients.len() - 1].clone()
    }
}

/// The fields that concern one connection only, should a peer send them over HTTP/2 all the same.
fn remove_hop_by_hop(headers: &mut HeaderMap) {
    const FIELDS: [HeaderName; 6] = [
        header::CONNECTION,
        header::PROXY_AUTHENTICATE,
        header::PROXY_AUTHORIZATION,
        header::TE,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
    ];
    for field in FIELDS {
        headers.remove(field);
    }
    for field in ["keep-alive", "proxy-connection"] {
        headers.remove(field);
    }
}

fn refuse(status: StatusCode, reason: &dyn std::error::Error) -> Response<RelayedBody> {
    let mut response = Response::new(RelayedBody::new(Body::from(format!("{reason}\n"))));
    *response.status_mut() = status;
    response
}

/// A body on its way to the other side.
struct RelayedBody {
    body: Body,
    is_empty: bool,
    /// Counts the engine's stream as one of its client's until it is over.
    _client: Option<EngineClient>,
}

impl RelayedBody {
    fn new(body: Body) -> Self {
        Self { is_empty: body.is_end_stream(), body, _client: None }
    }
}

impl HttpBody for RelayedBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_data(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, hyper::Error>>> {
        Pin::new(&mut self.body).poll_data(context)
    }

    fn poll_trailers(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Result<Option<HeaderMap>, hyper::Error>> {
        Pin::new(&mut self.body).poll_trailers(context)
    }

    /// Not the body's own word once it has begun: of a stream that was reset right behind a chunk, h2 0.3.13 says that it has
    /// ended, and a truncated answer would look whole.
    fn is_end_stream(&self) -> bool {
        self.is_empty
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
