package nats_test

const childDir = "GODWIT_TEST_CHILD"

func child(dir string) int { return 0 }
