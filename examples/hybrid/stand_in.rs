use guarita::{Error, ErrorCode};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// moto, a server that answers as Amazon's services do, on this machine; it ends with this.
pub(crate) struct StandIn {
    child: Child,
    port: u16,
}

impl StandIn {
    pub(crate) fn start(program: &Path) -> Result<Self, Error> {
        let unavailable = |what: String| Error::new(ErrorCode::RuntimeUnavailable, what);
        // Freed at once; the odds that somebody takes it before moto does are small.
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .and_then(|listener| listener.local_addr())
            .map_err(|error| unavailable(format!("no free port on this machine: {error}")))?
            .port();
        let child = Command::new(program)
            .args(["-H", "127.0.0.1", "-p", &port.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| {
                let program = program.display();
                unavailable(format!(
                    "cannot start {program}: {error}; `make stand-in` installs it, --stand-in names another"
                ))
            })?;
        let stand_in = Self { child, port };
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        for _ in 0..200 {
            if TcpStream::connect_timeout(&address, Duration::from_millis(100)).is_ok() {
                return Ok(stand_in);
            }
            std::thread::park_timeout(Duration::from_millis(100));
        }
        Err(unavailable(format!("{} did not answer within 20 s", program.display())))
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
