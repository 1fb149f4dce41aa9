// Package inside measures what it costs to send to viewers, without a network,
// a load client and another process in the way: it runs the hub, the port and
// the sender in this process, joins viewers over the loopback that cost next to
// nothing once they have joined, and feeds the hub itself.
//
// A viewer connects like any other, with ICE checks and a DTLS handshake. Then
// the kernel throws its packets away before anybody is woken (a socket filter),
// so that what is left is the sender and what the kernel does to send. Two
// viewers are probes and read their packets: the first and the last in the
// order of sending. In the same minutes the package sends as many packets with
// the least that any sender has to do, header, AES-GCM and one system call for
// each viewer, so that a machine in a bad mood is so for both.
//
// It knows the house, which package bench does not; it knows nothing of WHIP
// and WHEP.
package inside
