# Debian packages, one for each program: cmake --preset package && cmake --build --preset package && cpack --preset package
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME otad)
set(CPACK_PACKAGE_DIRECTORY ${PROJECT_BINARY_DIR})
set(CPACK_PACKAGE_CONTACT "otad maintainers <maintainers@otad.example.org>")
set(CPACK_PACKAGE_CHECKSUM SHA256)
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "")  # it would precede each package's own
set(CPACK_SET_DESTDIR ON)  # settings are in /etc, beside the prefix
set(CPACK_COMPONENTS_ALL otad otactl ota-agent)
set(CPACK_COMPONENTS_GROUPING IGNORE)
set(CPACK_DEB_COMPONENT_INSTALL ON)

set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_DEBUGINFO_PACKAGE ON)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
if(CMAKE_CROSSCOMPILING)
  set(CPACK_DEBIAN_PACKAGE_ARCHITECTURE ${OTAD_DEBIAN_ARCHITECTURE})
endif()

set(CPACK_DEBIAN_OTAD_PACKAGE_NAME otad)
set(CPACK_DEBIAN_OTAD_PACKAGE_DEPENDS "systemd | systemd-standalone-sysusers, ca-certificates, tzdata")
set(CPACK_DEBIAN_OTAD_PACKAGE_RECOMMENDS "mosquitto, otactl")
set(CPACK_COMPONENT_OTAD_DESCRIPTION "over-the-air firmware updates for device fleets: server
otad runs on a gateway beside an MQTT broker and brings firmware to devices on
poor networks: in chunks that are verified one by one, over HTTP or MQTT,
resumable after any failure. Rollouts go stage by stage and halt by
themselves. State is in SQLite.")
set(CPACK_DEBIAN_OTACTL_PACKAGE_NAME otactl)
set(CPACK_DEBIAN_OTACTL_PACKAGE_SECTION admin)
set(CPACK_DEBIAN_OTACTL_PACKAGE_DEPENDS ca-certificates)
set(CPACK_COMPONENT_OTACTL_DESCRIPTION "over-the-air firmware updates for device fleets: command line
otactl shows and steers an otad server over its REST interface: status,
rollouts, devices, firmware, tasks, keys.")
set(CPACK_DEBIAN_OTA-AGENT_PACKAGE_NAME ota-agent)
set(CPACK_DEBIAN_OTA-AGENT_PACKAGE_DEPENDS ca-certificates)
set(CPACK_COMPONENT_OTA-AGENT_DESCRIPTION "over-the-air firmware updates for device fleets: device client
ota-agent runs on a device. It downloads the firmware that its otad server
offers, verifies it, runs the install command and reports the result.")

# Maintainer scripts, and the settings that dpkg keeps.
foreach(package otad ota-agent)
  string(TOUPPER ${package} key)
  set(scripts)
  foreach(name preinst postinst prerm postrm conffiles)
    set(script ${PROJECT_SOURCE_DIR}/config/debian/${package}/${name})
    if(EXISTS ${script})
      configure_file(${script} ${PROJECT_BINARY_DIR}/debian/${package}/${name} @ONLY)
      list(APPEND scripts ${PROJECT_BINARY_DIR}/debian/${package}/${name})
    endif()
  endforeach()
  set(CPACK_DEBIAN_${key}_PACKAGE_CONTROL_EXTRA ${scripts})
endforeach()

# Man pages from --help; otactl writes its own. A program for another machine runs in the emulator, where there is one.
find_program(HELP2MAN help2man REQUIRED)
find_program(GZIP gzip REQUIRED)
function(man_page program what)
  set(page ${PROJECT_BINARY_DIR}/debian/${program}.1)
  string(JOIN " " command ${CMAKE_CROSSCOMPILING_EMULATOR} $<TARGET_FILE:${program}>)
  add_custom_command(OUTPUT ${page}
    COMMAND ${HELP2MAN} --no-info --section=1 --name=${what} --version-string=${PROJECT_VERSION} --output=${page} ${ARGN} ${command}
    DEPENDS ${program} VERBATIM)
  add_custom_target(${program}_page ALL DEPENDS ${page})
  install(FILES ${page} DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 COMPONENT ${program})
endfunction()
man_page(otad "update the firmware of device fleets over the air" --help-option=--help-all)
man_page(ota-agent "install the firmware that otad offers to this device")

# Policy: changelog and copyright of each package; changelog and man pages compressed without a time.
foreach(package otad otactl ota-agent)
  install(FILES config/debian/copyright DESTINATION share/doc/${package} COMPONENT ${package})
  install(FILES config/debian/changelog DESTINATION share/doc/${package} RENAME changelog COMPONENT ${package})
  install(CODE "
    file(GLOB files \"\$ENV{DESTDIR}/usr/share/man/man?/*.?\" \"\$ENV{DESTDIR}/usr/share/doc/*/changelog\")
    if(files)
      execute_process(COMMAND ${GZIP} -9nf \${files} COMMAND_ERROR_IS_FATAL ANY)
    endif()" COMPONENT ${package})
endforeach()

include(CPack)
