//! The listening sockets, with the options that accepted sockets inherit from them.

use super::StartError;
use crate::policy::{SessionPolicy, Startup};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use socket2::{Domain, Protocol, Socket, Type};
#[cfg(target_os = "linux")]
use socket2::{SockFilter, SockRef};
use std::{
    io,
    net::{SocketAddr, TcpListener},
    os::fd::AsFd,
};

/// Connections that may wait to be accepted; net.core.somaxconn caps it.
const BACKLOG: i32 = 4096;

/// A listening socket, and its bound address, in which a configured port 0 is replaced.
pub type Bound = (TcpListener, SocketAddr);

/// Ports above a used one that are tried before the kernel chooses.
const NEXT_PORTS: u16 = 100;

/// Binds the addresses of `listen`.
///
/// # Errors
/// [`StartError::Listen`] for the first address that cannot be bound.
pub fn bind_all(startup: &Startup, session: &SessionPolicy) -> Result<Vec<Bound>, StartError> {
    bind_each("listen", &startup.listen, session)
}

/// Binds the addresses of `admin.listen`.
///
/// # Errors
/// [`StartError::Listen`] for the first address that cannot be bound.
pub fn bind_admin(startup: &Startup, session: &SessionPolicy) -> Result<Vec<Bound>, StartError> {
    bind_each("admin.listen", &startup.admin_listen, session)
}

fn bind_each(
    key: &'static str,
    addresses: &[SocketAddr],
    session: &SessionPolicy,
) -> Result<Vec<Bound>, StartError> {
    let bind = |address: &SocketAddr| {
        bind(*address, session).map_err(|cause| StartError::Listen { address: *address, key, cause })
    };
    addresses.iter().map(bind).collect()
}

fn bind(address: SocketAddr, session: &SessionPolicy) -> io::Result<Bound> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?; // a restart need not wait for TIME_WAIT
    set_inherited_options(&socket, session)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    let listener = TcpListener::from(socket);
    let bound = listener.local_addr()?;
    Ok((listener, bound))
}

/// Returns the addresses of `listen` and `admin.listen`; each that cannot be bound now has another
/// port, which can.
///
/// `None` if there is no such port. Another program may still bind one of them first.
pub fn free_addresses(
    startup: &Startup,
    session: &SessionPolicy,
) -> Option<(Vec<SocketAddr>, Vec<SocketAddr>)> {
    let configured = startup.listen.iter().chain(&startup.admin_listen);
    let held = configured.map(|address| (*address, bind(*address, session).ok())).collect::<Vec<_>>();
    let mut others = Vec::new(); // bound until the end, so that no address is found twice
    let mut free = Vec::new();
    for (address, listener) in &held {
        if listener.is_some() {
            free.push(*address);
            continue;
        }
        let next = (1..=NEXT_PORTS).filter_map(|step| address.port().checked_add(step)).chain([0]);
        let bound = next.filter_map(|port| bind((address.ip(), port).into(), session).ok()).next()?;
        free.push(bound.1);
        others.push(bound);
    }
    let admin = free.split_off(startup.listen.len());
    Some((free, admin))
}

/// Sets the options that the system copies to every accepted socket, which saves three system calls
/// for each client.
fn set_inherited_options(socket: &Socket, session: &SessionPolicy) -> io::Result<()> {
    socket.set_tcp_nodelay(true)?; // without it small messages wait for delayed ACKs: 44 ms instead of 3
    #[cfg(target_os = "linux")]
    // the kernel too drops a peer that never reads; the session does it everywhere
    socket.set_tcp_user_timeout(Some(session.deadlines.stalled_write))?;
    match session.send_buffer {
        0 => Ok(()),
        bytes => socket.set_send_buffer_size(bytes), // unbounded, it grows to 2.8 MB
    }
}

/// A filter of the kernel (classic BPF, socket(7) SO_ATTACH_FILTER) that drops packets which begin
/// a connection, and no others; the clients send them again and then find the listener closed.
#[cfg(target_os = "linux")]
const NO_SYN: [SockFilter; 4] = [
    SockFilter::new(0x30, 0, 0, 13), // load the flags of the TCP header (RFC 9293 §3.1)
    SockFilter::new(0x45, 0, 1, 0x02), // SYN: next instruction; otherwise the one after it
    SockFilter::new(0x06, 0, 0, 0),  // drop
    SockFilter::new(0x06, 0, 0, u32::MAX), // pass
];

/// Makes the kernel ignore new connections to `listener`; those already begun are completed.
///
/// # Errors
/// Fails if the kernel refuses the filter.
#[cfg(target_os = "linux")]
pub fn refuse_new(listener: &impl AsFd) -> io::Result<()> {
    SockRef::from(listener).attach_filter(&NO_SYN)
}

/// Does nothing: only Linux has the filter. Elsewhere the close of the listener resets a connection
/// that begins in the last moment.
///
/// # Errors
/// None.
#[cfg(not(target_os = "linux"))]
pub fn refuse_new(_: &impl AsFd) -> io::Result<()> {
    Ok(())
}

/// Returns true if a connection waits to be accepted.
pub fn has_waiting(listener: &impl AsFd) -> bool {
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    let mut listener = [PollFd::new(listener, PollFlags::IN)];
    poll(&mut listener, Some(&at_once)).is_ok_and(|ready| ready > 0)
}

/// Returns advice for operators about `cause`, with the setting `key`.
pub fn remedy(cause: &io::Error, key: &str) -> String {
    match cause.kind() {
        io::ErrorKind::AddrInUse => {
            format!("; stop the program that listens there, or choose another address with `{key}`")
        }
        io::ErrorKind::AddrNotAvailable => format!("; `{key}` must name an address of this machine"),
        io::ErrorKind::PermissionDenied => {
            format!("; ports below 1024 need CAP_NET_BIND_SERVICE, or choose another with `{key}`")
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Policy;
    use std::{net::TcpStream, time::Duration};

    /// Returns a socket that such a listener has accepted.
    fn accepted(session: &SessionPolicy) -> TcpStream {
        let (listener, address) = bind(([127, 0, 0, 1], 0).into(), session).unwrap();
        let _client = TcpStream::connect(address).unwrap();
        listener.accept().unwrap().0
    }

    #[test]
    fn an_accepted_socket_has_the_options_of_its_listener() {
        let mut session = Policy::default().session;
        session.send_buffer = 100 << 10;
        session.deadlines.stalled_write = Duration::from_secs(7);
        let socket = accepted(&session);
        let socket = SockRef::from(&socket);
        assert!(socket.tcp_nodelay().unwrap());
        #[cfg(target_os = "linux")]
        assert_eq!(socket.tcp_user_timeout().unwrap(), Some(Duration::from_secs(7)));
        assert_eq!(socket.send_buffer_size().unwrap(), 200 << 10, "Linux doubles it");
    }

    #[test]
    fn a_connected_client_waits_and_one_that_comes_after_the_filter_is_not_admitted() {
        let (listener, address) = bind(([127, 0, 0, 1], 0).into(), &Policy::default().session).unwrap();
        assert!(!has_waiting(&listener));
        let _early = TcpStream::connect(address).unwrap();
        refuse_new(&listener).unwrap();
        assert!(has_waiting(&listener));
        listener.accept().unwrap();
        TcpStream::connect_timeout(&address, Duration::from_millis(100)).unwrap_err();
        assert!(!has_waiting(&listener));
    }

    #[test]
    fn the_send_buffer_can_be_left_to_the_kernel() {
        let session = SessionPolicy { send_buffer: 0, ..Policy::default().session };
        let socket = accepted(&session);
        let usual = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap().send_buffer_size().unwrap();
        assert!(SockRef::from(&socket).send_buffer_size().unwrap() >= usual);
    }
}
