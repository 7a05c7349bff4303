package api

import (
	"github.com/godwitkv/godwit"
)

// checkTransact validates all of t but its values.
func (s *Service) checkTransact(ns *godwit.Namespace, t *Transact) (*transaction, error) {
	if len(t.Mutations) == 0 {
		return nil, godwit.Errorf(godwit.CodeInvalidRequest, "A transaction has at least one mutation.")
	}
	if err := CheckRequestID(t.RequestID); err != nil {
		return nil, err
	}
	w := &transaction{service: s, ns: ns, requestID: t.RequestID}
	keys := make(map[string]struct{})
	if err := w.checkConditions(t.Conditions, keys); err != nil {
		return nil, err
	}
	return w, w.checkMutations(t.Mutations, keys)
}

// checkConditions validates them and adds their keys to keys.
func (w *transaction) checkConditions(given []godwit.Condition, keys map[string]struct{}) error {
	for i := range given {
		c := given[i]
		c.Namespace = w.ns.ID
		if err := godwit.ValidateKey(c.Key); err != nil {
			return atCondition(i, err)
		}
		if _, twice := keys[c.Key]; twice {
			return atCondition(i, errTwice(c.Key))
		}
		keys[c.Key] = struct{}{}
		if len(keys) > godwit.MaxTransactionKeys {
			return errTooManyKeys()
		}
		w.conditions = append(w.conditions, c)
	}
	return nil
}

// checkMutations validates each as the single write that it would be, and adds
// its key to keys, where those of the conditions are already.
func (w *transaction) checkMutations(given []Mutation, keys map[string]struct{}) error {
	mutated := make(map[string]struct{})
	for i := range given {
		a, err := w.check(&given[i])
		if err != nil {
			return atMutation(i, err)
		}
		key := a.mutation.Key
		if _, twice := mutated[key]; twice {
			return atMutation(i, errTwice(key))
		}
		mutated[key], keys[key] = struct{}{}, struct{}{}
		if len(keys) > godwit.MaxTransactionKeys {
			return errTooManyKeys()
		}
		w.writes = append(w.writes, a)
	}
	return nil
}

func (w *transaction) check(m *Mutation) (*asked, error) {
	switch m.Op {
	case godwit.OpPut:
		return w.service.checkPut(w.ns, &m.Put)
	case godwit.OpDelete:
		return checkDelete(w.ns, &Delete{Key: m.Key})
	case godwit.OpAdd:
		a, err := w.service.checkPut(w.ns, &m.Put)
		if err == nil {
			a.mutation.Op, a.mutation.Delta = godwit.OpAdd, m.Delta
		}
		return a, err
	}
	return nil, godwit.Errorf(godwit.CodeInvalidRequest, "The operation is neither a put, a delete nor an add.")
}

func errTwice(key string) error {
	return godwit.Errorf(godwit.CodeInvalidRequest, "The key %q is named twice.", printable(key))
}

func errTooManyKeys() error {
	return godwit.Errorf(godwit.CodeInvalidRequest, "A transaction names at most %d keys.", godwit.MaxTransactionKeys)
}
