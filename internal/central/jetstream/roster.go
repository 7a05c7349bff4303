package jetstream

import (
	"cmp"
	"slices"
	"sync"
	"time"
)

const (
	// presentFor is how long after its last pulse a member counts as present.
	presentFor = 10 * time.Second
	// maxHeard bounds how many names are heard between two looks at the registry.
	maxHeard = 256
)

// roster is who the members are and what they last told.
type roster struct {
	mu         sync.Mutex
	registered []MemberInfo // by name; none: not known yet
	asked      time.Time    // when that was found out
	heard      map[string]heard
	stranger   bool // somebody tells who is not registered, as far as is known
}

type heard struct {
	Pulse
	at time.Time
}

// peer is one registered member.
type peer struct {
	info  MemberInfo
	pulse Pulse     // the last; of no name: none was heard
	at    time.Time // when
}

func (p *peer) present(now time.Time) bool { return p.pulse.Name != "" && now.Sub(p.at) < presentFor }

// hear keeps what a member tells.
func (r *roster) hear(p Pulse) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.heard == nil {
		r.heard = make(map[string]heard)
	}
	if _, ok := r.heard[p.Name]; !ok && len(r.heard) >= maxHeard {
		return
	}
	r.heard[p.Name] = heard{p, time.Now()}
	if !slices.ContainsFunc(r.registered, func(i MemberInfo) bool { return i.Name == p.Name && i.Identity == p.Identity }) {
		r.stranger = true
	}
}

// register keeps who is registered, and forgets what others told.
func (r *roster) register(all []MemberInfo) {
	all = slices.Clone(all)
	slices.SortFunc(all, func(a, b MemberInfo) int { return cmp.Compare(a.Name, b.Name) })
	r.mu.Lock()
	defer r.mu.Unlock()
	r.registered, r.asked, r.stranger = all, time.Now(), false
	for name := range r.heard {
		if !slices.ContainsFunc(all, func(i MemberInfo) bool { return i.Name == name }) {
			delete(r.heard, name)
		}
	}
}

// old tells whether the registry is to be asked again.
func (r *roster) old(now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.registered) == 0 || r.stranger || now.Sub(r.asked) >= membersEvery
}

// members are all who are registered, by name. What somebody else tells under the
// name of one is not heard.
func (r *roster) members() []peer {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make([]peer, len(r.registered))
	for i, info := range r.registered {
		all[i].info = info
		if h, ok := r.heard[info.Name]; ok && h.Identity == info.Identity {
			all[i].pulse, all[i].at = h.Pulse, h.at
		}
	}
	return all
}

// duty tells whether a member is the one that does what one of all has to do: the
// first by name of those that are present and ready.
func duty(members []peer, name string) bool {
	now := time.Now()
	for i := range members {
		if p := &members[i]; p.present(now) && p.pulse.Ready {
			return p.info.Name == name
		}
	}
	return false
}
