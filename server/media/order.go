package media

// What a sequence says about the order of its pictures.
const (
	orderUnknown = iota
	orderShown   // sent as they are shown
	orderMixed   // may be sent in another order
)

// Of a codec whose parameters say nothing, so many pictures must go back: a
// network may reorder some.
const backForSure = 3

// order finds out whether pictures are sent in another order than shown:
// B-frames. The parameter sets of many encoders say nothing about it, and
// those of some say that it may be when it never is; packets that a network
// brings late go back too. So what they say counts for the first two windows,
// and then what was seen.
type order struct {
	doubt   bool // the picture now passing goes back in time
	seen    bool // it is so
	claimed int  // orderUnknown ...
	backs   int  // pictures that went back, unconfirmed
	windows int  // since the claim
}

// claim takes what new parameter sets say.
func (o *order) claim(reorder int) { *o = order{claimed: reorder} }

// settle ends a window.
func (o *order) settle() {
	o.windows++
	o.backs = 0
}

// tell writes what is known into traits.
func (o *order) tell(t *Traits) {
	claimed := o.claimed == orderMixed && o.windows < 2
	t.BFrames, t.Unproven = o.seen || claimed, claimed && !o.seen
}

// slice takes a slice of a picture that went back in time. b says whether it
// is a B slice, certain whether that alone is proof.
func (o *order) slice(b, certain bool) {
	o.doubt = false
	if !b || o.claimed == orderShown && !certain {
		return
	}
	o.backs++
	o.seen = o.seen || certain || o.claimed == orderMixed || o.backs >= backForSure
}
