package port

import "time"

// maxOpen bounds the TCP connections of all networks together where the system
// would give more descriptors than that: each costs memory too.
const maxOpen = 1 << 15

// sayEvery is how often at most it is logged that there is no room.
const sayEvery = time.Minute

// room counts the TCP connections of all networks together. Each is an open
// file, of which a process may have so many: a botnet, of which no one address
// has too many, must leave some for everything else.
type room struct {
	most, open int
	said       time.Time // when it was logged last that there is none
}

// roomFor leaves a quarter of the files that may be open for what is no
// connection of the port: other sockets, the database, the pipes of programs.
func roomFor(files uint64) room {
	return room{most: int(min(files-files/4, maxOpen))}
}

// none says whether there is no room for one more.
func (r *room) none() bool { return r.open >= r.most }

// say says whether it is time to log that there is no room.
func (r *room) say(now time.Time) bool {
	if now.Sub(r.said) < sayEvery {
		return false
	}
	r.said = now
	return true
}
