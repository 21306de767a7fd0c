# libarchive, linked statically where that works: Debian's shared one brings libxml2 and ICU, 37 MB, for formats that
# backups are not in. Of the static one the linker takes the objects for tar with zstd, which need libzstd alone.
find_package(LibArchive 3.6 REQUIRED)
find_library(LIBARCHIVE_STATIC libarchive.a)
find_library(ZSTD zstd)
add_library(otad_libarchive INTERFACE)

if(LIBARCHIVE_STATIC AND ZSTD)
  include(CheckCXXSourceCompiles)
  set(CMAKE_REQUIRED_INCLUDES ${LibArchive_INCLUDE_DIRS} ${PROJECT_SOURCE_DIR}/src)
  set(CMAKE_REQUIRED_LIBRARIES ${LIBARCHIVE_STATIC} ${ZSTD})
  check_cxx_source_compiles("
    #include <archive.h>
    #include \"backup/static_libarchive.hpp\"
    int main() {
      return archive_write_set_format_pax_restricted(archive_write_new()) + archive_write_add_filter_zstd(nullptr) +
             archive_read_support_format_tar(archive_read_new()) + archive_read_support_filter_zstd(nullptr);
    }" OTAD_LIBARCHIVE_LINKS)
  unset(CMAKE_REQUIRED_INCLUDES)
  unset(CMAKE_REQUIRED_LIBRARIES)
endif()
if(OTAD_LIBARCHIVE_LINKS)
  target_compile_definitions(otad_libarchive INTERFACE OTAD_STATIC_LIBARCHIVE)
  target_include_directories(otad_libarchive INTERFACE ${LibArchive_INCLUDE_DIRS})
  target_link_libraries(otad_libarchive INTERFACE ${LIBARCHIVE_STATIC} ${ZSTD})
else()
  target_link_libraries(otad_libarchive INTERFACE LibArchive::LibArchive)
endif()
