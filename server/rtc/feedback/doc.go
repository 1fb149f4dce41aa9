// Package feedback keeps account of what a viewer sends back over RTCP: what of
// the packets sent to it is still on the path and how the path does, and
// whether the viewer asks for more than it may. It reads RTCP in place and
// allocates nothing for it, since all of it is a stranger's. It knows no viewer,
// no stream and no encryption, and nothing of it guards itself but what Flow says
// it does.
package feedback
