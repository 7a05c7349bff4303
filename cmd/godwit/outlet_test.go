package main

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"
)

// TestOutletThatNobodyReads holds that who writes waits for a reader until the program is to
// stop, and then leaves soon, however many wait.
func TestOutletThatNobodyReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		unread, to := io.Pipe()
		defer unread.Close()
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		o := newOutlet(ctx, to)
		const writers = 5
		left := make(chan error, writers)
		for range writers {
			go func() { _, err := o.Write([]byte("line\n")); left <- err }()
		}
		time.Sleep(time.Hour)
		if len(left) > 0 {
			t.Fatalf("%d of %d did not wait: %v", len(left), writers, <-left)
		}
		stop()
		began := time.Now()
		for range writers {
			if err := <-left; !errors.Is(err, errUnread) {
				t.Errorf("a write: %v, want %v", err, errUnread)
			}
		}
		if _, err := o.Write([]byte("line\n")); !errors.Is(err, errUnread) {
			t.Errorf("a write after them: %v, want %v", err, errUnread)
		}
		if took := time.Since(began); took != leaveAfter {
			t.Errorf("they left after %v, want %v", took, leaveAfter)
		}
	})
}

// TestOutletThatIsRead holds that nothing is lost of what somebody reads, however slowly,
// while the program stops.
func TestOutletThatIsRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		read, to := io.Pipe()
		ctx, stop := context.WithCancel(t.Context())
		stop()
		o := newOutlet(ctx, to)
		go func() {
			line := []byte("0\n")
			for range 10 {
				if _, err := o.Write(line); err != nil {
					t.Error(err)
				}
				line[0]++
			}
			_ = to.Close()
		}()
		var got []byte
		for buf := make([]byte, 2); ; {
			time.Sleep(leaveAfter - time.Millisecond)
			if _, err := io.ReadFull(read, buf); err != nil {
				break
			}
			got = append(got, buf...)
		}
		if want := "0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n"; string(got) != want {
			t.Errorf("read %q, want %q", got, want)
		}
	})
}
