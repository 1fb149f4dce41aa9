// Package netguard dials for the server where an address was given by somebody
// else: a camera to pull, a server to push to. It decides by the IP address that
// is really connected to, at the moment of connecting, so that a name which
// resolves to one address now and to another later gets nowhere. It knows
// neither protocols nor who asked.
package netguard
