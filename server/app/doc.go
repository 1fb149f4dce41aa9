// Package app builds the whole server from its settings and owns its life: it
// wires the packages below it, says when it is ready, and stops them in order.
// It knows every other package and does none of their work.
package app
