//! One plain HTTP request.

use std::{io, net::SocketAddr, time::Duration};

use http_body_util::{BodyExt, Empty};
use hyper::{Request, body::Bytes, client::conn::http1, header::HOST};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, time::timeout};

/// For the whole of it.
const WITHIN: Duration = Duration::from_secs(5);

/// Status and body of the answer.
pub(crate) async fn get(address: SocketAddr, path: &str) -> io::Result<(u16, String)> {
    timeout(WITHIN, ask(address, path)).await?
}

async fn ask(address: SocketAddr, path: &str) -> io::Result<(u16, String)> {
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(io::Error::other)?;
    let request = Request::get(path)
        .header(HOST, address.to_string())
        .body(Empty::<Bytes>::new())
        .map_err(io::Error::other)?;
    let answer = async {
        let answer = sender.send_request(request).await?;
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await?.to_bytes();
        // The connection ends with its last sender.
        drop(sender);
        Ok::<_, hyper::Error>((status, String::from_utf8_lossy(&body).into_owned()))
    };
    let (answer, _closed) = tokio::join!(answer, connection);
    answer.map_err(io::Error::other)
}
