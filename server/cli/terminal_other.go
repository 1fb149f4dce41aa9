//go:build !linux && !darwin

package cli

import "os"

// hideTyping knows no terminals here: the password is read from one line.
func hideTyping(*os.File) (restore func(), ok bool) { return nil, false }
