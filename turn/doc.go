// Package turn is the TURN server (RFC 8656) for clients whose network lets
// no media through. It relays to one place only, the media addresses of this
// server, so it is of no use to anybody who wants to reach anything else, and
// it opens no socket: datagrams, connections and relayed addresses are given
// to it.
//
// It is our API over github.com/pion/turn, of which it is the only importer,
// with a gate before it: every STUN message of a client is parsed, limited and,
// for requests, authenticated there first. The gate also answers what the library
// answers otherwise than the RFC asks. ChannelData of a client goes past both: the
// library only says which channels there are.
//
// It knows no stream, no session and no browser; a credential is bound to a
// subject that means something to its caller only.
//
// # Where it differs from RFC 8656
//
// On purpose: there is one family of relayed addresses and one transport, UDP;
// no pairs of ports and no reservations (508), no DONT-FRAGMENT (420), no TCP
// allocations (442), no mobility. A lifetime is ten minutes, whatever is asked
// for, and in its last five seconds an allocation is refreshed and not changed. Its peers
// are the media addresses of this server, all else is forbidden (403), and what
// is no ICE and no media vanishes on the way to them.
//
// Because of the library, and harmless where all peers are ours: data for a
// channel pass as long as that lasts, ten minutes, where a permission of five
// would be needed too. The errors 400, 437, 438, 486 and 508 that it makes
// itself are not signed. A signed request that names no user gets 401, where 400
// is asked for; one whose nonce is too old and that asks for what is refused is
// told that first. Who ends an allocation and makes another by the same UDP socket
// at once may lose that too, and has to make it again.
package turn
