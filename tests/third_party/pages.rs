//! Where a browser's page comes from: an empty page at an address of its own, so that the relay is
//! another origin to its script.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

const PAGE: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 36\r\nConnection: close\r\n\r\n\
                    <!doctype html><title>events</title>";

/// Serves until it is dropped.
pub struct Pages {
    /// As the browser writes it in `Origin`.
    pub origin: String,
    serving: JoinHandle<()>,
}

impl Pages {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let serving = tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                tokio::spawn(serve(connection));
            }
        });
        Self { origin, serving }
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(mut connection: TcpStream) -> std::io::Result<()> {
    // A browser opens connections ahead of time and may never ask.
    if connection.read(&mut [0; 8192]).await? > 0 {
        connection.write_all(PAGE.as_bytes()).await?;
    }
    connection.shutdown().await
}
