// Package ts takes an MPEG transport stream apart (ISO/IEC 13818-1): it finds
// the first program, follows the changes of its table, and gathers the PES
// packets of one video and one audio in bounded memory, whatever comes in. It
// knows no codec beyond its name, and no network.
package ts
