// For the one file that calls a static libarchive (config/libarchive.cmake).
#pragma once

struct archive;
struct archive_entry;

/// Each of libarchive's writers calls this for a type of entry that its format doesn't know, and the object that holds it
/// names all writers, among them those that need libxml2, liblzma and nettle. With this one in its place they stay out.
/// Only files are written here, so that it is never called.
extern "C" void otad_refuse_type(archive*, archive_entry*, const char*) __asm__("__archive_write_entry_filetype_unsupported");
extern "C" void otad_refuse_type(archive*, archive_entry*, const char*) {}
