//! Addresses that nobody else has: ports on loopback, and a range of addresses for Services.

use std::{
    io,
    net::{Ipv4Addr, TcpListener},
    process,
    sync::atomic::{AtomicU8, Ordering},
};

/// Whoever listens at it owns the range that the address begins. Any port would do.
const CLAIM_PORT: u16 = 50_443;

/// `N` ports of 127.0.0.1, free a moment ago: the programs take no port 0, so another may be faster.
pub(crate) fn free_ports<const N: usize>() -> io::Result<[u16; N]> {
    // All are held at the same time, so that they differ.
    let mut held = Vec::with_capacity(N);
    let mut ports = [0; N];
    for port in &mut ports {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        *port = listener.local_addr()?.port();
        held.push(listener);
    }
    Ok(ports)
}

/// 127.50.N.0/20, N a multiple of 16: addresses on loopback, so that a Service's own address reaches who binds it.
///
/// The API server gives Services their addresses from the upper part of the range and leaves the first 256 to those who
/// name one (in a /24 it leaves only 16, which was too few).
#[derive(Debug)]
pub(crate) struct ServiceRange {
    third: u8,
    /// The last part of the address that `next` gave out; .1 is the Service `kubernetes`.
    last: AtomicU8,
    _claim: TcpListener,
}

impl ServiceRange {
    /// A range that no other run on this machine has.
    pub(crate) fn claim() -> io::Result<Self> {
        let first = process::id().to_le_bytes()[0];
        let mut refused = None;
        for step in 0..16_u8 {
            let third = first.wrapping_add(step).wrapping_mul(16);
            match TcpListener::bind((Ipv4Addr::new(127, 50, third, 1), CLAIM_PORT)) {
                Ok(claim) => {
                    return Ok(Self {
                        third,
                        last: AtomicU8::new(1),
                        _claim: claim,
                    });
                }
                Err(error) => refused = Some(error),
            }
        }
        Err(refused.expect("sixteen ranges were tried"))
    }

    pub(crate) fn cidr(&self) -> String {
        format!("127.50.{}.0/20", self.third)
    }

    /// The address of the Service `kubernetes`.
    pub(crate) fn first(&self) -> Ipv4Addr {
        Ipv4Addr::new(127, 50, self.third, 1)
    }

    /// An address that no other call gave out.
    pub(crate) fn next(&self) -> Ipv4Addr {
        let last = self.last.fetch_add(1, Ordering::Relaxed).checked_add(1);
        Ipv4Addr::new(
            127,
            50,
            self.third,
            last.expect("a run has less than 254 Services with an address of its own"),
        )
    }
}
