// Package feedback writes the RTCP that a viewer sends back to the server:
// receiver reports, requests for a keyframe and transport-wide feedback. It
// does so without allocating, as a load of many viewers sends a lot of it. It
// knows no viewer, and what it writes is not encrypted yet.
package feedback
