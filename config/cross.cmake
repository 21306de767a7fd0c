# Debian's cross compilers, and its libraries of the other architecture beside this machine's (multiarch). The presets
# package-arm64 and package-armhf name the architecture.
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES OTAD_DEBIAN_ARCHITECTURE)
if(OTAD_DEBIAN_ARCHITECTURE STREQUAL arm64)
  set(triplet aarch64-linux-gnu)
  set(CMAKE_SYSTEM_PROCESSOR aarch64)
elseif(OTAD_DEBIAN_ARCHITECTURE STREQUAL armhf)
  set(triplet arm-linux-gnueabihf)
  set(CMAKE_SYSTEM_PROCESSOR arm)
else()
  message(FATAL_ERROR "OTAD_DEBIAN_ARCHITECTURE is \"${OTAD_DEBIAN_ARCHITECTURE}\": set it to arm64 or armhf.")
endif()
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_C_COMPILER ${triplet}-gcc)
set(CMAKE_CXX_COMPILER ${triplet}-g++)
set(CMAKE_CXX_FLAGS_INIT -Wno-psabi)  # g++ notes on armhf what changed before version 7
# Programs write their own man pages and completions.
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-${CMAKE_SYSTEM_PROCESSOR}-static)
