# What `cmake --install` puts where. The unit holds paths, so the prefix is to be given when configuring:
# -DCMAKE_INSTALL_PREFIX=/usr is what a distribution does, with settings in /etc.
if(TARGET otad)
  install(TARGETS otad RUNTIME)
endif()
if(TARGET ota-agent)
  install(TARGETS ota-agent RUNTIME)
endif()

# GNUInstallDirs knows only in the full path that etc of /usr is /etc; relative ones follow `--prefix`.
set(sysconfdir ${CMAKE_INSTALL_SYSCONFDIR})
if(CMAKE_INSTALL_PREFIX STREQUAL "/usr")
  set(sysconfdir ${CMAKE_INSTALL_FULL_SYSCONFDIR})
endif()
set(OTAD_CONFIG_FILE ${CMAKE_INSTALL_FULL_SYSCONFDIR}/otad/otad.toml)

# Settings that somebody changed are never overwritten; the defaults are in share/otad.
install(FILES config/otad.toml DESTINATION ${CMAKE_INSTALL_DATADIR}/otad)
install(CODE "
  set(folder \"${sysconfdir}/otad\")
  if(NOT IS_ABSOLUTE \"\${folder}\")
    set(folder \"\${CMAKE_INSTALL_PREFIX}/\${folder}\")
  endif()
  if(NOT EXISTS \"\$ENV{DESTDIR}\${folder}/otad.toml\")
    file(INSTALL \"${PROJECT_SOURCE_DIR}/config/otad.toml\" DESTINATION \"\${folder}\")
  endif()")

configure_file(config/systemd/otad.service.in ${PROJECT_BINARY_DIR}/generated/otad.service @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/generated/otad.service DESTINATION lib/systemd/system)
install(FILES config/sysusers.d/otad.conf DESTINATION lib/sysusers.d)
install(FILES config/mosquitto/otad.conf config/mosquitto/otad-secure.conf config/mosquitto/otad.acl
  DESTINATION ${CMAKE_INSTALL_DATADIR}/otad/mosquitto)
install(FILES README.md LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR} OPTIONAL)
install(DIRECTORY docs DESTINATION ${CMAKE_INSTALL_DOCDIR} OPTIONAL)
