# The benchmarks' programs, and a tiny run of each benchmark as a test that it works; its figures mean nothing then.
if(TARGET otad)
  add_executable(bench_load bench/load.cpp bench/mqtt_line.cpp)
  target_link_libraries(bench_load PRIVATE ota_flags fmt::fmt)
  add_executable(bench_echo bench/echo.cpp)
  target_link_libraries(bench_echo PRIVATE ota_mqtt fmt::fmt)
endif()
