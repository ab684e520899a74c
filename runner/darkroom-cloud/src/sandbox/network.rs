//! The loopback of a sandbox's own network namespace, its only interface. Linux only.

use super::entry::doing;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};
use std::os::fd::OwnedFd;

/// Index of `lo`, the first interface of every network namespace.
const LOOPBACK: u32 = 1;

/// Raises the loopback, gives it every address in `addresses` that is not in 127.0.0.0/8, and
/// listens at each.
pub fn listen(addresses: &[SocketAddrV4]) -> io::Result<Vec<TcpListener>> {
    let route = Route::open()?;
    doing("raise the loopback", route.raise_loopback())?;
    let mut added = Vec::new();
    for address in addresses.iter().map(|address| *address.ip()) {
        if !address.is_loopback() && !added.contains(&address) {
            doing("give the loopback an address", route.add_address(address))?;
            added.push(address);
        }
    }
    addresses
        .iter()
        .map(|address| doing(format!("listen at {address}"), TcpListener::bind(address)))
        .collect()
}

/// A conversation with the kernel about interfaces (rtnetlink(7)).
struct Route(OwnedFd);

impl Route {
    fn open() -> io::Result<Self> {
        let socket = rustix::net::socket_with(
            AddressFamily::NETLINK,
            SocketType::RAW,
            SocketFlags::CLOEXEC,
            // Protocol 0 is NETLINK_ROUTE.
            None,
        );
        Ok(Self(doing("open a netlink socket", socket)?))
    }

    /// `ip link set lo up`
    fn raise_loopback(&self) -> io::Result<()> {
        const RTM_NEWLINK: u16 = 16;
        const IFF_UP: u32 = 1;
        // struct ifinfomsg: family, padding, type, index, flags, change mask
        let mut body = vec![0, 0, 0, 0];
        body.extend_from_slice(&LOOPBACK.to_ne_bytes());
        body.extend_from_slice(&IFF_UP.to_ne_bytes());
        body.extend_from_slice(&IFF_UP.to_ne_bytes());
        self.ask(RTM_NEWLINK, 0, &body)
    }

    /// `ip address add ADDRESS/32 dev lo`
    fn add_address(&self, address: Ipv4Addr) -> io::Result<()> {
        const RTM_NEWADDR: u16 = 20;
        const AF_INET: u8 = 2;
        const CREATE_EXCLUSIVELY: u16 = 0x400 | 0x200;
        const IFA_ADDRESS: u16 = 1;
        const IFA_LOCAL: u16 = 2;
        // struct ifaddrmsg: family, prefix length, flags, scope (host), index
        let mut body = vec![AF_INET, 32, 0, 254];
        body.extend_from_slice(&LOOPBACK.to_ne_bytes());
        for kind in [IFA_LOCAL, IFA_ADDRESS] {
            body.extend_from_slice(&8_u16.to_ne_bytes());
            body.extend_from_slice(&kind.to_ne_bytes());
            body.extend_from_slice(&address.octets());
        }
        self.ask(RTM_NEWADDR, CREATE_EXCLUSIVELY, &body)
    }

    /// Sends one request and returns the kernel's verdict.
    fn ask(&self, kind: u16, flags: u16, body: &[u8]) -> io::Result<()> {
        const REQUEST_WITH_ANSWER: u16 = 0x1 | 0x4;
        // struct nlmsghdr: length, type, flags, sequence, port
        let mut message = ((16 + body.len()) as u32).to_ne_bytes().to_vec();
        message.extend_from_slice(&kind.to_ne_bytes());
        message.extend_from_slice(&(REQUEST_WITH_ANSWER | flags).to_ne_bytes());
        message.extend_from_slice(&[1, 0, 0, 0, 0, 0, 0, 0]);
        message.extend_from_slice(body);
        rustix::net::sendto(
            &self.0,
            &message,
            SendFlags::empty(),
            &SocketAddrNetlink::new(0, 0),
        )?;

        let mut answer = [0; 1024];
        rustix::net::recv(&self.0, &mut answer[..], RecvFlags::empty())?;
        // struct nlmsgerr after the header: an error number below zero, or zero
        let code = i32::from_ne_bytes([answer[16], answer[17], answer[18], answer[19]]);
        if code == 0 {
            Ok(())
        } else {
            Err(io::Error::from_raw_os_error(-code))
        }
    }
}
