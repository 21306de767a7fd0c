// What a program asks of the system for its own process, first thing in main().
#pragma once

namespace ota {

/// Opens /dev/null as 0, 1 and 2 where they are closed, so that no file of the program gets one of these numbers and
/// with it what is written to standard output or error. Ends the process (status 1) where even that can't be opened.
void open_standard_streams();

/// No core dump and no debugger of the same user: memory holds secrets (keys of addresses and TLS, passwords, tokens).
void forbid_core_dumps();

}  // namespace ota
