package srt

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heliograph/heliograph/server/auth"
)

func TestParseStreamID(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]access{
		"publish:harbour:hk_1":                     {auth.Publish, "harbour", "", "hk_1"},
		"publish:harbour":                          {auth.Publish, "harbour", "", ""},
		"publish:harbour:a:b":                      {auth.Publish, "harbour", "", "a:b"},
		"read:harbour":                             {auth.Watch, "harbour", "", ""},
		"play:harbour:k":                           {auth.Watch, "harbour", "", "k"},
		"#!::r=harbour,m=publish,u=ada,s=secret":   {auth.Publish, "harbour", "ada", "secret"},
		"#!::m=request,r=harbour":                  {auth.Watch, "harbour", "", ""},
		"#!::r=harbour":                            {auth.Watch, "harbour", "", ""},
		"#!::h=host,t=stream,r=harbour,m=publish":  {auth.Publish, "harbour", "", ""},
		"#!::r=harbour,s=a=b,m=publish,x-thing=17": {auth.Publish, "harbour", "", "a=b"},
	} {
		got, err := parseStreamID(id)
		require.NoError(t, err, id)
		require.Equal(t, want, got, id)
	}
}

func TestParseStreamIDRefuses(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]error{
		"":                                    errStreamID,
		"harbour":                             errStreamID,
		"watch:harbour":                       errStreamID,
		"#!:{r=harbour}":                      errStreamID,
		"#!::harbour":                         errStreamID,
		"#!::r=a,r=b":                         errStreamID,
		"publish:\xff":                        errStreamID,
		"publish:" + strings.Repeat("a", 512): errStreamID,
		"#!::r=harbour,m=bidirectional":       errMode,
		"#!::r=harbour,t=file":                errMode,
		"publish:":                            auth.ErrName,
		"publish:../etc":                      auth.ErrName,
		"#!::m=publish":                       auth.ErrName,
	} {
		_, err := parseStreamID(id)
		require.ErrorIs(t, err, want, id)
	}
}

func FuzzStreamID(f *testing.F) {
	for _, id := range []string{"publish:harbour:key", "read:a", "#!::r=a,m=publish,u=b,s=c", "#!:{r=a}", "#!::", "::::"} {
		f.Add(id)
	}
	f.Fuzz(func(t *testing.T, id string) {
		a, err := parseStreamID(id)
		if err != nil {
			if id != "" && len(id) > 200 && strings.Contains(err.Error(), id) {
				t.Fatal("the error quotes the stream id")
			}
			return
		}
		if !auth.ValidName(a.stream) || a.action != auth.Publish && a.action != auth.Watch || len(a.key)+len(a.user) > len(id) {
			t.Fatalf("%q: %+v", id, a)
		}
	})
}
