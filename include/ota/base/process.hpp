// Setup of the process, to be called first in main().
#pragma once

namespace ota {

/// Opens /dev/null as descriptors 0, 1 and 2 if they are closed; otherwise a file of the program could get one of these
/// numbers and receive its standard output or error. Exits with status 1 if /dev/null can't be opened.
void open_standard_streams();

/// Disables core dumps and debuggers of the same user, because memory contains secrets (keys, passwords, tokens).
void forbid_core_dumps();

}  // namespace ota
