package store

import "github.com/godwitkv/godwit"

func (f *fsck) request(k, v []byte) {
	r, err := decodeRequestRow(v)
	if err != nil || len(k) != 1+reqLen {
		f.problem("request %q: damaged row", k)
	} else if f.get(appendReqTimeKey(nil, r.time, godwit.RequestKey(k[1:]))) == nil {
		f.problem("request %x: not in the index by time", k[1:])
	}
}

func (f *fsck) requestTime(k, _ []byte) {
	if len(k) != 1+8+reqLen {
		f.problem("request time %q: damaged key", k)
	} else if f.get(appendRequestKey(nil, godwit.RequestKey(k[9:]))) == nil {
		f.problem("request %x: only in the index by time", k[9:])
	}
}

func (f *fsck) proposer(k, v []byte) {
	if len(k) != 1+len(ProposerID{}) {
		f.problem("proposer %q: damaged key", k)
	} else if number, _, err := decodePair(v); err != nil || number == 0 {
		f.problem("proposer %x: damaged row", k[1:])
	}
}
