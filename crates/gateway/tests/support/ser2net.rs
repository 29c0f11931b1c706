//! ser2net, the serial server that most people have.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, reason = "each test uses its part, and unwraps")]

use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A running server; ends when dropped.
pub struct Ser2net(Child);

impl Ser2net {
    /// Serves a device on a port of the loopback by RFC 2217, at 9600 8N1 until it is told otherwise.
    ///
    /// # Panics
    /// When the program is missing: a test without its peer would prove nothing.
    pub fn start(folder: &Path, device: &Path, port: u16) -> Self {
        let device = device.display();
        let conf = format!(
            "%YAML 1.1\n---\nconnection: &meter\n  accepter: telnet(rfc2217),tcp,127.0.0.1,{port}\n  \
             connector: serialdev,{device},9600n81,local\n  options:\n    kickolduser: true\n"
        );
        std::fs::write(folder.join("ser2net.yaml"), conf).unwrap();
        let log = || std::fs::File::create(folder.join("ser2net.log")).unwrap();
        // -n: in the foreground, -d: say what is wrong, -u: no lock files, which only root may write.
        let child = Command::new("ser2net")
            .args(["-n", "-d", "-u", "-c"])
            .arg(folder.join("ser2net.yaml"))
            .arg("-P")
            .arg(folder.join("ser2net.pid"))
            .stdin(Stdio::null())
            .stdout(log())
            .stderr(log())
            .spawn()
            .expect("the package ser2net is needed: sudo apt-get install ser2net");
        let server = Self(child);
        let end = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let said = || std::fs::read_to_string(folder.join("ser2net.log")).unwrap_or_default();
            assert!(Instant::now() < end, "ser2net does not answer: {}", said());
            std::thread::sleep(Duration::from_millis(10));
        }
        server
    }
}

impl Drop for Ser2net {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
