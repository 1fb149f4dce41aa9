package rtsp

import "syscall"

const interrupt = syscall.SIGINT

func camerasMain() bool { return false }
