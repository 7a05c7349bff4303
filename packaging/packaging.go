// Package packaging is what servers are set up with. Its tests hold the description of a
// release, and a release that was made, to what they shall be.
package packaging
