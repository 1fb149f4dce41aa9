package feedback

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestBucket(t *testing.T) {
	t.Parallel()
	var b bucket
	now := time.Unix(1000, 0)
	taken := 0
	for range 1000 { // 10 s
		if b.take(keyframeRate(), now) {
			taken++
		}
		now = now.Add(10 * time.Millisecond)
	}
	require.Equal(t, 3+4, taken)
	now = now.Add(time.Hour)
	for range 3 {
		require.True(t, b.take(keyframeRate(), now))
	}
	require.False(t, b.take(keyframeRate(), now))
}

func TestConduct(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		each    Demand // ten times a second
		quiet   int    // every so many seconds nothing comes
		abusive bool
	}{
		"a browser":                {each: Demand{3, 1, 20}},
		"all is lost":              {each: Demand{20, 2, 1000}},
		"packets":                  {each: Demand{300, 0, 0}, abusive: true},
		"keyframes":                {each: Demand{10, 10, 0}, abusive: true},
		"lost packets":             {each: Demand{10, 0, 5000}, abusive: true},
		"packets, now and then":    {each: Demand{300, 0, 0}, quiet: 9},
		"packets, nearly for ever": {each: Demand{300, 0, 0}, quiet: 15, abusive: true},
	} {
		var judge conduct
		told := 0
		for i := range 600 {
			second := i / 10
			if c.quiet > 0 && second%c.quiet == 0 {
				continue
			}
			if judge.abusive(c.each, time.Unix(int64(1000+second), 0)) {
				told++
			}
		}
		require.Equal(t, c.abusive, told > 0, name)
		require.LessOrEqual(t, told, 1, name)
	}
}
