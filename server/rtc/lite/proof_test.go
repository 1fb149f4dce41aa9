package lite

import (
	"net/netip"
	"testing"
	"time"

	"github.com/pion/stun/v4"
	"github.com/stretchr/testify/require"
)

// Our check is what a full agent answers (RFC 8445 section 7.1), and only its
// authentic answer, from where it went, moves the session.
func TestOnlyTheAnswerToOurCheckMoves(t *testing.T) {
	t.Parallel()
	f := newSession(t)
	require.Equal(t, Here, f.nominate(f.a))
	require.Equal(t, Elsewhere, f.nominate(f.b))
	ours := f.b.check()
	require.NoError(t, ours.Check(stun.NewShortTermIntegrity(theirs), stun.Fingerprint))
	require.True(t, ours.Contains(stun.AttrICEControlled))
	require.True(t, ours.Contains(stun.AttrPriority))
	var name stun.Username
	require.NoError(t, name.GetFrom(ours))
	require.Equal(t, "them:"+f.first.Ufrag, name.String())

	for why, b := range map[string][]byte{
		"its password": answerTo(ours, "another password"),
		"our password": answerTo(ours, f.first.Password),
		"another one":  answerTo(stun.MustBuild(stun.TransactionID, stun.BindingRequest), theirs),
		"cut":          answerTo(ours, theirs)[:40],
		"an error":     stun.MustBuild(ours, stun.BindingError, stun.NewShortTermIntegrity(theirs)).Raw,
	} {
		require.Equal(t, Forged, f.Check(b, f.b.AddrPort), why)
	}
	answer := answerTo(ours, theirs)
	require.Equal(t, Forged, f.Check(answer, f.a.AddrPort), "from another address")
	require.Equal(t, f.a.AddrPort, f.owner.where())
	require.Equal(t, Here, f.Check(answer, f.b.AddrPort))
	require.Equal(t, f.b.AddrPort, f.owner.where())

	f.goes(f.first, true, f.a)
	require.Equal(t, Elsewhere, f.nominate(f.b))
	require.Equal(t, Forged, f.Check(answer, f.b.AddrPort), "the answer of the time before")
	require.Equal(t, f.a.AddrPort, f.owner.where())
	f.Close()
	require.Equal(t, Forged, f.Check(answerTo(f.b.check(), theirs), f.b.AddrPort))
}

// Whoever forges addresses makes us send next to nothing, however many checks
// it sends: to one stranger, or to many.
func TestForgedAddressIsSentNextToNothing(t *testing.T) {
	t.Parallel()
	f := newSession(t)
	require.Equal(t, Here, f.nominate(f.a))
	strangers := []*place{f.b, bind(t), bind(t)}
	begun := time.Now()
	for range 100 {
		for _, s := range strangers {
			require.Equal(t, Elsewhere, f.nominate(s))
		}
	}
	f.Close() // so that no more comes
	most := proofsBurst + 1 + int(time.Since(begun)/proofsEvery)
	checks := 0
	b := make([]byte, 1500)
	for _, s := range strangers {
		for {
			require.NoError(t, s.socket.SetReadDeadline(time.Now().Add(50*time.Millisecond)))
			n, _, err := s.socket.ReadFrom(b)
			if err != nil {
				break
			}
			if b[0] == 0 && b[1] == 1 {
				checks++
				require.Less(t, n, 120)
			}
		}
	}
	require.GreaterOrEqual(t, checks, 1)
	require.LessOrEqual(t, checks, most)
	require.Equal(t, f.a.AddrPort, f.owner.where())
}

// A check that gets lost is sent again, a few times.
func TestOurCheckIsSentAgain(t *testing.T) {
	t.Parallel()
	f := newSession(t)
	require.Equal(t, Here, f.nominate(f.a))
	require.Equal(t, Elsewhere, f.nominate(f.b))
	first, second := f.b.check(), f.b.check()
	require.Equal(t, first.Raw, second.Raw)
	require.Equal(t, Elsewhere, f.nominate(f.b))
	require.Equal(t, first.TransactionID, f.b.check().TransactionID, "the client's next check changes nothing")
	require.Equal(t, Here, f.Check(answerTo(first, theirs), f.b.AddrPort))
	require.Empty(t, f.unproven())
}

// Of several new addresses the client is at the one whose check it answers,
// whatever was nominated meanwhile: that may be a copy from elsewhere. When there
// are too many, the oldest gives way to a nomination.
func TestAddressesAreProvenSideBySide(t *testing.T) {
	t.Parallel()
	f := newSession(t)
	require.Equal(t, Here, f.nominate(f.a))
	require.Equal(t, Elsewhere, f.nominate(f.b))
	ours := f.b.check()
	others := make([]*place, maxProofs)
	for i := range others {
		others[i] = bind(t)
	}
	for _, p := range others[1:] {
		require.Equal(t, Elsewhere, f.nominate(p))
	}
	require.Equal(t, Here, f.nominate(f.a), "the old address takes nothing back")
	require.Equal(t, Here, f.Check(answerTo(ours, theirs), f.b.AddrPort))
	require.Empty(t, f.unproven(), "the client is found")
	require.Equal(t, Forged, f.Check(answerTo(others[1].check(), theirs), others[1].AddrPort))

	require.Equal(t, Elsewhere, f.nominate(f.a))
	ours = f.a.check()
	for _, p := range others {
		require.Equal(t, Elsewhere, f.nominate(p))
	}
	require.Len(t, f.unproven(), maxProofs)
	require.Equal(t, Forged, f.Check(answerTo(ours, theirs), f.a.AddrPort), "the oldest has given way")

	f.quiet()
	require.Equal(t, Elsewhere, f.Check(checkFor(f.first, f.first.Password, false), f.a.AddrPort))
	require.Equal(t, others[0].AddrPort, f.unproven()[0], "what is not nominated waits its turn")
}

// A client that answers our repeated check twice, because its way is longer than
// our patience, has forged nothing.
func TestSecondAnswerIsNoForgery(t *testing.T) {
	t.Parallel()
	f := newSession(t)
	require.Equal(t, Here, f.nominate(f.a))
	require.Equal(t, Elsewhere, f.nominate(f.b))
	answer := answerTo(f.b.check(), theirs)
	require.Equal(t, Here, f.Check(answer, f.b.AddrPort))
	require.Equal(t, Here, f.Check(answer, f.b.AddrPort))
	require.Equal(t, Forged, f.Check(answer, f.a.AddrPort), "from elsewhere")
	f.mu.Lock()
	f.proved.answered = time.Now().Add(-lateAnswer)
	f.mu.Unlock()
	require.Equal(t, Forged, f.Check(answer, f.b.AddrPort), "nobody is so late")
}

// Whoever has overheard checks knows no password, and yet can send copies of them
// from anywhere. They keep no client from moving, nor do they have us send.
func TestCopiedChecksAreInNobodysWay(t *testing.T) {
	t.Parallel()
	f := newSession(t)
	overheard := checkFor(f.first, f.first.Password, true)
	require.Equal(t, Here, f.Check(overheard, f.a.AddrPort))
	for i := range 2 * proofsBurst {
		thief := netip.AddrPortFrom(f.a.Addr(), uint16(1+i))
		require.Equal(t, Elsewhere, f.Check(overheard, thief))
	}
	require.Empty(t, f.unproven())
	require.Equal(t, Elsewhere, f.nominate(f.b))
	ours := f.b.check()
	require.Equal(t, Elsewhere, f.Check(overheard, bind(t).AddrPort), "before the answer is here")
	require.Equal(t, Here, f.Check(answerTo(ours, theirs), f.b.AddrPort))

	for range manyChecks { // then it is forgotten, and one place is all that it takes
		require.Equal(t, Here, f.Check(checkFor(f.first, f.first.Password, false), f.b.AddrPort))
	}
	require.Equal(t, Elsewhere, f.Check(overheard, f.a.AddrPort))
	require.Equal(t, Elsewhere, f.Check(overheard, bind(t).AddrPort))
	require.Len(t, f.unproven(), 1)
}

// Until DTLS is settled a client is followed at once, so that it can connect by
// whatever way it likes. Then nothing goes to an address that DTLS alone does not
// prove, because it was not the only one, until the client has answered there.
func TestMediaWaitForTheProof(t *testing.T) {
	t.Parallel()
	for _, early := range []bool{true, false} {
		f := newSession(t)
		f.state.settled = false
		require.Equal(t, Here, f.nominate(f.a))
		require.Equal(t, Here, f.nominate(f.b))
		require.Equal(t, f.b.AddrPort, f.owner.where())
		answer := answerTo(f.b.check(), theirs)
		if early {
			require.Equal(t, Here, f.Check(answer, f.b.AddrPort))
			f.Settle()
			require.Equal(t, f.b.AddrPort, f.owner.where())
			continue
		}
		f.Settle()
		require.False(t, f.owner.where().IsValid())
		f.Lapse()
		require.Equal(t, Here, f.nominate(f.b))
		f.Resume()
		require.False(t, f.owner.where().IsValid(), "nor by the client's own checks")
		require.Equal(t, Here, f.Check(answer, f.b.AddrPort))
		require.Equal(t, f.b.AddrPort, f.owner.where())
	}
}

// An address that was left is proven no more.
func TestReturnIsProvenAgain(t *testing.T) {
	t.Parallel()
	f := newSession(t)
	f.state.settled = false
	for _, p := range []*place{f.a, f.b, f.a} {
		require.Equal(t, Here, f.nominate(p))
	}
	f.Settle()
	require.False(t, f.owner.where().IsValid())
	require.Equal(t, Here, f.Check(answerTo(f.a.check(), theirs), f.a.AddrPort))
	require.Equal(t, f.a.AddrPort, f.owner.where())
}

// A name so long that no check of ours could hold it moves nothing and harms
// nothing.
func TestEndlessNameIsNotChecked(t *testing.T) {
	t.Parallel()
	f := newSession(t)
	require.Equal(t, Here, f.nominate(f.a))
	name := make([]byte, 600)
	long := stun.MustBuild(stun.TransactionID, stun.BindingRequest,
		stun.RawAttribute{Type: stun.AttrUsername, Value: append([]byte(f.first.Ufrag+":"), name...)},
		stun.RawAttribute{Type: stun.AttrUseCandidate}, stun.NewShortTermIntegrity(f.first.Password)).Raw
	require.Equal(t, Elsewhere, f.Check(long, f.b.AddrPort))
	require.Empty(t, f.unproven())
	f.goes(f.first, true, f.b)
}

func FuzzAgentCheck(f *testing.F) {
	ours := stun.MustBuild(stun.TransactionID, stun.BindingRequest)
	f.Add(answerTo(ours, theirs))
	f.Add([]byte("\x01\x01\x00\x00\x21\x12\xa4\x42............"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s := newSession(t)
		require.Equal(t, Here, s.nominate(s.a))
		require.Equal(t, Elsewhere, s.nominate(s.b))
		require.Equal(t, Forged, s.Check(b, s.b.AddrPort))
	})
}

// After a restart a client may check from an older port too, with our new
// credentials and its own older ones: there it takes no check but with those.
func TestOlderPortIsAskedWithItsOwnPassword(t *testing.T) {
	t.Parallel()
	f := newSession(t)
	require.Equal(t, Here, f.nominate(f.a))
	for i := range 2 * maxClients {
		c, err := f.Restart(Credentials{Ufrag: "new" + string(rune('a'+i)), Password: "a new password"})
		require.NoError(t, err)
		older, password := "them", theirs
		if i >= maxClients-1 { // that one is forgotten
			older, password = "new"+string(rune('a'+i-1)), "a new password"
		}
		require.Equal(t, Elsewhere, f.Check(checkOf(older, c, c.Password, true), f.b.AddrPort))
		ours := f.b.check()
		require.NoError(t, ours.Check(stun.NewShortTermIntegrity(password)))
		var name stun.Username
		require.NoError(t, name.GetFrom(ours))
		require.Equal(t, older+":"+c.Ufrag, name.String())
		require.Equal(t, Here, f.Check(answerTo(ours, password), f.b.AddrPort))
		require.Equal(t, f.b.AddrPort, f.owner.where())
		f.a, f.b = f.b, f.a
	}
}
